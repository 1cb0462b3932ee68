/* IPv4 (RFC 791) and IPv6 (RFC 8200) as far as they stand in front of ESP. */
#include "outer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ipv.h"

enum { IPV4_HEADER = 20, IPV6_HEADER = 40, PORT = 4500 };

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

size_t outer_put(const struct outer *outer, uint8_t *at, size_t size)
{
    if (outer->version == 6) {
        memset(at, 0, 8);
        at[0] = (uint8_t)(0x60 | outer->traffic_class >> 4);
        at[1] = (uint8_t)(outer->traffic_class << 4);
        put16(at + 4, size);
        at[6] = PROTO_ESP;
        at[7] = outer->hop_limit;
        memcpy(at + 8, outer->source, 16);
        memcpy(at + 24, outer->destination, 16);
        return IPV6_HEADER;
    }
    memset(at, 0, IPV4_HEADER);
    at[0] = 0x45;
    at[1] = outer->traffic_class;
    put16(at + 2, IPV4_HEADER + size);
    at[6] = outer->dont_fragment ? 0x40 : 0;
    at[8] = outer->hop_limit;
    at[9] = PROTO_ESP;
    memcpy(at + 12, outer->source, 4);
    memcpy(at + 16, outer->destination, 4);
    put16(at + 10, ipv_checksum(at, IPV4_HEADER));
    return IPV4_HEADER;
}

/* Of a whole packet: walks the IPv6 extension headers that may stand in front of ESP (hop-by-hop, routing, fragment, destination). */
static enum outer_found walk_ipv6(struct espproof_octets packet, struct outer_opened *opened)
{
    size_t at = IPV6_HEADER, end = packet.size;
    unsigned next = packet.at[6];
    while (next == 0 || next == 43 || next == 44 || next == 60) {
        if (at + 8 > end || (next == 0 && at != IPV6_HEADER))
            return OUTER_MALFORMED;
        size_t size = next == 44 ? 8 : 8 + 8 * (size_t)packet.at[at + 1];
        if (at + size > end)
            return OUTER_MALFORMED;
        if (next == 44 && (ipv_get16(packet.at + at + 2) & 0xfff9) != 0)
            return OUTER_FRAGMENT;
        next = packet.at[at];
        at += size;
    }
    *opened = (struct outer_opened){{packet.at + at, end - at}, {packet.at + 8, 16}, {packet.at + 24, 16}};
    return next == PROTO_ESP ? OUTER_ESP : OUTER_OTHER;
}

enum outer_found outer_open(struct espproof_octets packet, struct outer_opened *opened)
{
    packet = ipv_whole(packet);
    if (packet.size == 0)
        return OUTER_MALFORMED;
    if (packet.at[0] >> 4 == 6)
        return walk_ipv6(packet, opened);
    size_t header = (packet.at[0] & 15) * 4u;
    *opened =
        (struct outer_opened){{packet.at + header, packet.size - header}, {packet.at + 12, 4}, {packet.at + 16, 4}};
    if (packet.at[9] != PROTO_ESP)
        return OUTER_OTHER;
    return ipv_get16(packet.at + 6) & 0x3fff ? OUTER_FRAGMENT : OUTER_ESP;
}

chunk_t outer_copy(struct espproof_octets octets)
{
    chunk_t chunk = {malloc(octets.size ? octets.size : 1), octets.size};
    if (chunk.at == NULL)
        abort();
    memcpy(chunk.at, octets.at, octets.size);
    return chunk;
}

static host_t *host_at(struct espproof_octets address)
{
    return host_create_from_chunk(address.size == 4 ? AF_INET : AF_INET6,
                                  (chunk_t){(uint8_t *)address.at, address.size}, PORT);
}

esp_packet_t *outer_esp(const struct outer_opened *opened)
{
    return esp_packet_create_from_packet(
        packet_create_from_data(host_at(opened->source), host_at(opened->destination), outer_copy(opened->esp)));
}
