/* See packets.h. */
#include "packets.h"

#include <rte_ip.h>
#include <string.h>

enum { IPV4_HEADER = 20, IPV6_HEADER = 40 };
enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION_OPTIONS = 60 };

static uint16_t read16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void write16(uint8_t *at, size_t number)
{
    at[0] = (uint8_t)(number >> 8);
    at[1] = (uint8_t)number;
}

static bool read_ipv4(struct packet *packet)
{
    const uint8_t *at = packet->at;
    size_t header = (size_t)(at[0] & 15) * 4, total = packet->size < IPV4_HEADER ? 0 : read16(at + 2);
    if (header < IPV4_HEADER || total < header || total > packet->size)
        return false;
    packet->size = total;
    packet->fragment = (read16(at + 6) & 0x3fff) != 0; /* more fragments, or an offset */
    packet->named_at = 9;
    packet->protocol = at[9];
    packet->upper = packet->esp_here = header;
    return true;
}

static bool read_ipv6(struct packet *packet)
{
    const uint8_t *at = packet->at;
    if (packet->size < IPV6_HEADER || packet->size - IPV6_HEADER < read16(at + 4))
        return false;
    packet->ipv6 = true;
    packet->size = IPV6_HEADER + (size_t)read16(at + 4);
    packet->named_at = 6;
    packet->protocol = at[6];
    packet->upper = packet->esp_here = IPV6_HEADER;
    while (!packet->fragment) {
        uint8_t kind = packet->protocol;
        if (kind != HOP_BY_HOP && kind != ROUTING && kind != FRAGMENT && kind != DESTINATION_OPTIONS)
            break;
        if (packet->size - packet->upper < 8)
            return false;
        const uint8_t *header = at + packet->upper;
        size_t length = kind == FRAGMENT ? 8 : 8 + (size_t)header[1] * 8;
        if (packet->size - packet->upper < length)
            return false;
        packet->fragment = kind == FRAGMENT && (read16(header + 2) & 0xfff9) != 0;
        packet->named_at = packet->upper;
        packet->protocol = header[0];
        packet->upper += length;
        if (kind != DESTINATION_OPTIONS)
            packet->esp_here = packet->upper;
    }
    return true;
}

bool packet_read(const uint8_t *at, size_t size, struct packet *packet)
{
    *packet = (struct packet){.at = at, .size = size};
    if (size == 0)
        return false;
    switch (at[0] >> 4) {
    case 4:
        return read_ipv4(packet);
    case 6:
        return read_ipv6(packet);
    default:
        return false;
    }
}

const uint8_t *packet_source(const struct packet *packet)
{
    return packet->at + (packet->ipv6 ? 8 : 12);
}

const uint8_t *packet_destination(const struct packet *packet)
{
    return packet->at + (packet->ipv6 ? 24 : 16);
}

bool datagram_read(const struct packet *packet, struct datagram *datagram)
{
    size_t room = packet->size - packet->upper;
    if (room < UDP_HEADER)
        return false;
    const uint8_t *udp = packet->at + packet->upper;
    size_t length = read16(udp + 4);
    if (length < UDP_HEADER || length > room)
        return false;
    *datagram = (struct datagram){read16(udp + 2), packet->upper + UDP_HEADER, packet->upper + length};
    return true;
}

void packet_encapsulate(uint8_t *at, size_t size, uint16_t source_port, uint16_t destination_port)
{
    struct packet packet;
    if (!packet_read(at + UDP_HEADER, size, &packet))
        return;
    memmove(at, at + UDP_HEADER, packet.upper);
    at[packet.named_at] = PROTOCOL_UDP;
    write16(at + (packet.ipv6 ? 4 : 2), size + UDP_HEADER - (packet.ipv6 ? IPV6_HEADER : 0));
    uint8_t *udp = at + packet.upper;
    write16(udp, source_port);
    write16(udp + 2, destination_port);
    write16(udp + 4, size - packet.upper + UDP_HEADER);
    write16(udp + 6, 0);
}

void packet_decapsulate(uint8_t *at, size_t headers)
{
    memmove(at + UDP_HEADER, at, headers);
}

void packet_set_checksum(uint8_t *at, size_t size)
{
    struct rte_ipv4_hdr *header = (struct rte_ipv4_hdr *)at;
    if (size < IPV4_HEADER || at[0] >> 4 != 4 || rte_ipv4_hdr_len(header) > size)
        return;
    header->hdr_checksum = 0;
    header->hdr_checksum = rte_ipv4_cksum(header);
}
