/* The IP header in front of ESP, which is not libipsec's: its caller has UDP sockets for that. And packets as it takes them. */
#ifndef ESPPROOF_OUTER_H
#define ESPPROOF_OUTER_H

#include "espproof_harness.h"
#include "strongswan.h"

/* What an outbound SA puts in front; addresses in network order, IPv4 ones in the first four octets. */
struct outer {
    int version;
    uint8_t source[16], destination[16];
    uint8_t hop_limit, traffic_class;
    bool dont_fragment;
};

/* Writes the header in front of `size` octets of ESP, which fit; its length. */
size_t outer_put(const struct outer *outer, uint8_t *at, size_t size);

enum outer_found { OUTER_ESP, OUTER_OTHER, OUTER_FRAGMENT, OUTER_MALFORMED };

/* Views into a packet; addresses of 4 or 16 octets. */
struct outer_opened {
    struct espproof_octets esp, source, destination;
};

/* What a packet from the network is. `opened` is told of ESP. */
enum outer_found outer_open(struct espproof_octets packet, struct outer_opened *opened);

/* The ESP in it as libipsec takes it, between these addresses; and any octets. */
esp_packet_t *outer_esp(const struct outer_opened *opened);
chunk_t outer_copy(struct espproof_octets octets);

#endif
