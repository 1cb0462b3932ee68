/* survival: which integrity algorithms the CPU path of a crypto device's driver can be given.
 *
 * A driver may take a session and die with a packet of it. So each is tried in a child process of its own, before there
 * has been any other session. Cryptography alone: no rte_ipsec.
 */
#ifndef DPDK_SURVIVAL_H
#define DPDK_SURVIVAL_H

#include "engine.h"
#include "transforms.h"

struct survival {
    bool died[TRANSFORMS_INTEGRITY]; /* with any of the ciphers */
};

/* Try every integrity algorithm with every cipher that the device has beside it. */
void survival_try(struct survival *survival, const struct engine *engine);

/* False if a child died with this integrity algorithm (IKEv2 name). */
bool survival_of(const struct survival *survival, const char *auth);

#endif
