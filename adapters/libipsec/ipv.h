/* IP packets as far as a router looks at them: whether they are any, where they go, and how much further they may. */
#ifndef ESPPROOF_IPV_H
#define ESPPROOF_IPV_H

#include "espproof_harness.h"

enum { IPV_MOST_HEADER = 40 };

/* IPv4 addresses in the first four octets. */
struct ipv_address {
    int version;
    uint8_t octets[16];
};

struct ipv_addresses {
    struct ipv_address *all;
    size_t count;
};

/* Of text; false if one is none. What was there before is forgotten. */
bool ipv_read_all(struct ipv_addresses *addresses, const char *const *texts, size_t count);
void ipv_forget(struct ipv_addresses *addresses);

/* The packet without octets behind its end; nothing (size 0) of one without a whole header, with another IPv4 checksum
 * than its header's, or with fewer octets than it claims. */
struct espproof_octets ipv_whole(struct espproof_octets packet);

unsigned ipv_get16(const uint8_t *at);
unsigned ipv_checksum(const uint8_t *at, size_t size); /* 0 over a header that carries a right one */

/* Whether the destination of a whole packet is one of these. */
bool ipv_among(const struct ipv_addresses *addresses, const uint8_t *packet);

/* One hop further: the TTL or hop limit of a whole packet is one less. False if it ends here. */
bool ipv_hop(uint8_t *packet);

#endif
