/* inline: a port of net_ixgbe, and SAs whose cipher it does (rte_security's inline crypto) while rte_ipsec does the rest.
 *
 * What an application does around these two is done as DPDK's own gateway (ipsec-secgw) does it: Ethernet headers, the
 * template of the outer header, finding the SA (rte_ipsec_sad), cutting off what is behind the IP packet, IPv4 header
 * checksums (outbound the card's). Of the gateway's fallback to a software cipher nothing is here.
 */
#ifndef DPDK_INLINE_H
#define DPDK_INLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    INLINE_BURST = 32,     /* most packets that are received at once */
    INLINE_SAS = 2048,     /* of both directions */
    INLINE_PACKET = 9000,  /* octets of the longest packet, before it is protected */
    INLINE_MTU = 9216,     /* and of the longest afterwards */
};

enum inline_df { INLINE_DF_CLEAR, INLINE_DF_SET, INLINE_DF_COPY };

/* An SA of AES-GCM with a key of 128 bits. IPv4 addresses are the first four octets. */
struct inline_request {
    uint64_t number; /* outbound of the first packet, inbound the highest that was received */
    uint32_t spi, window;
    uint8_t key[16], salt[4], source[16], destination[16];
    uint8_t inbound, tunnel, ipv6; /* flags */
    uint8_t dscp_copied, dscp, ecn_normal, df, hop_limit;
};

/* Start DPDK and the port. NULL, or what failed; why stands in `inline_error`. */
const char *inline_start(const char *program);

/* rte_errno of what failed last, or what it returned. */
int inline_error(void);

struct inline_sa;
/* NULL, and what refused it. */
struct inline_sa *inline_add(const struct inline_request *request, const char **problem);
/* NULL, or what failed; the SA is gone in either case. */
const char *inline_delete(struct inline_sa *sa);

/* Protect a packet and hand it to the card. NULL, or what came in between. */
const char *inline_send(struct inline_sa *sa, const uint8_t *octets, size_t size);

enum inline_what { INLINE_DELIVERED, INLINE_DROPPED, INLINE_BYPASS };
struct inline_arrival {
    const uint8_t *octets; /* of an IP packet; until the next call */
    size_t size;
    struct inline_sa *sa;
    const char *reason; /* of a drop, where it is not rte_ipsec's */
    int what;
};

/* What the card has received, in its order, and no more than INLINE_BURST of it. How many that are. */
size_t inline_receive(struct inline_arrival *arrivals);

/* Stop and start the port. NULL, or what failed. */
const char *inline_restart(void);

#endif
