/* transforms: IKEv2 names of algorithms as DPDK's crypto transforms.
 *
 * What the device can do is asked of the device, and which key sizes it takes: it alone refuses a key that no RFC has.
 */
#ifndef DPDK_TRANSFORMS_H
#define DPDK_TRANSFORMS_H

#include <rte_cryptodev.h>

#include "espproof_harness.h"

enum { TRANSFORMS_INTEGRITY = 7 }; /* integrity algorithms beside a cipher */

/* A chain of transforms; it points into the SA that it was made of. */
struct transforms {
    struct rte_crypto_sym_xform *first;
    struct rte_crypto_sym_xform cipher, auth; /* a combined-mode algorithm is in `cipher`, GMAC in `auth` */
    uint32_t salt;                            /* octets in wire order, as rte_security wants them */
};

/* ESPPROOF_DONE, or REFUSED or UNSUPPORTED with a reason. `iv_offset` is where the IV stands in a crypto operation. */
enum espproof_result transforms_make(const struct espproof_sa *sa, bool inbound, uint16_t iv_offset, uint8_t device,
                                     struct transforms *made, struct espproof_answer *answer);

/* The algorithms and keys of an SA with a cipher and an integrity algorithm beside it, both by number; the rest of it is
 * empty. False if there are not so many. */
bool transforms_pair(size_t cipher, size_t integrity, struct espproof_sa *sa);

/* Where the sequence number's low half stands in the associated data of a combined-mode algorithm without ESN. */
size_t transforms_aad_sequence(const struct transforms *made);

#endif
