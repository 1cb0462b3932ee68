/* packets: what the application around rte_ipsec does with IP packets: find the ESP header, take UDP off, checksums.
 *
 * Nothing here knows of SAs or cryptography. Octets come from strangers: every read is within `size`.
 */
#ifndef DPDK_PACKETS_H
#define DPDK_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROTOCOL_UDP = 17, PROTOCOL_ESP = 50 };

/* An IP packet, its header chain followed as far as ESP could be. Offsets and lengths in octets. */
struct packet {
    const uint8_t *at;
    size_t size;  /* by its own length field: octets behind are link padding and are not counted */
    bool ipv6;
    bool fragment;
    uint8_t protocol; /* behind the header chain: for IPv6 behind hop-by-hop, routing, fragment, destination options */
    size_t named_at;  /* where the octet is that names it */
    size_t upper;     /* where that protocol begins */
    size_t esp_here;  /* where transport mode puts ESP: behind hop-by-hop, routing and fragment headers (RFC 4303 3.1.1) */
};

/* False for what is no whole IP packet. */
bool packet_read(const uint8_t *at, size_t size, struct packet *packet);

/* The addresses, 4 or 16 octets. */
const uint8_t *packet_source(const struct packet *packet);
const uint8_t *packet_destination(const struct packet *packet);

/* RFC 3948: the datagram of a UDP packet. */
struct datagram {
    uint16_t destination_port;
    size_t payload, end; /* offsets in the packet */
};

/* False if the UDP header is cut short or its length does not fit. */
bool datagram_read(const struct packet *packet, struct datagram *datagram);

enum { UDP_HEADER = 8 };

/* UDP around the ESP of a packet in transport mode, which rte_ipsec does for tunnels only. `at` has UDP_HEADER octets of
 * room in front of the packet of `size` octets, and becomes the whole. Ports in host order; the checksum is 0. */
void packet_encapsulate(uint8_t *at, size_t size, uint16_t source_port, uint16_t destination_port);

/* The inverse: headers of so many octets move over the UDP header behind them. Protocol and length are left: rte_ipsec
 * writes both. The packet then begins at at + UDP_HEADER. */
void packet_decapsulate(uint8_t *at, size_t headers);

/* Make the checksum of an IPv4 header right; nothing for IPv6. `at` is a whole header. */
void packet_set_checksum(uint8_t *at, size_t size);

#endif
