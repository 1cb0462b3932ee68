/* sad: which SA a packet is for, by rte_ipsec_sad; one table for outer IPv4, one for outer IPv6. */
#ifndef DPDK_SAD_H
#define DPDK_SAD_H

#include <rte_ipsec_sad.h>
#include <stdbool.h>
#include <stddef.h>

#include "packets.h"

struct sad {
    struct rte_ipsec_sad *tables[2];
};

/* What an SA is looked up by. Octets that its type does not look at are zero. */
struct sad_key {
    bool ipv6;
    int type;
    union rte_ipsec_sad_key key;
};

/* For so many SAs of each type. False if there is no room. */
bool sad_start(struct sad *sad, uint32_t most);

bool sad_knows(const char *lookup);
/* Addresses of 4 or 16 octets; `spi` in host order. */
struct sad_key sad_key_of(bool ipv6, uint32_t spi, const uint8_t *source, const uint8_t *destination,
                          const char *lookup);
bool sad_keys_equal(const struct sad_key *one, const struct sad_key *other);

bool sad_add(struct sad *sad, const struct sad_key *key, void *sa);
void sad_delete(struct sad *sad, const struct sad_key *key);

/* A packet with ESP at `esp` asks for its SA. */
struct sad_question {
    const struct packet *packet;
    const uint8_t *esp;
};

/* The SAs for packets that came together, NULL for one that has none. */
void sad_find(const struct sad *sad, const struct sad_question *questions, void **found, size_t count);

#endif
