/* IP packets as far as a router looks at them: where they go, and how much further they may. */
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

/* Whether it has a whole header, and the octets that it claims. */
bool ipv_is_whole(struct espproof_octets packet);

/* Whether the destination of a whole packet is one of these. */
bool ipv_among(const struct ipv_addresses *addresses, const uint8_t *packet);

/* One hop further: the TTL or hop limit of a whole packet is one less. False if it ends here. */
bool ipv_hop(uint8_t *packet);

#endif
