/* IPv4 (RFC 791; the checksum is that of RFC 1071, updated as RFC 1624 says) and IPv6 (RFC 8200). */
#include "ipv.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { IPV4_HEADER = 20, IPV6_HEADER = 40 };

static bool read_one(struct ipv_address *address, const char *text)
{
    address->version = strchr(text, ':') != NULL ? 6 : 4;
    return inet_pton(address->version == 6 ? AF_INET6 : AF_INET, text, address->octets) == 1;
}

bool ipv_read_all(struct ipv_addresses *addresses, const char *const *texts, size_t count)
{
    ipv_forget(addresses);
    addresses->all = calloc(count + 1, sizeof *addresses->all);
    if (addresses->all == NULL)
        abort();
    while (addresses->count < count)
        if (!read_one(&addresses->all[addresses->count], texts[addresses->count]))
            return false;
        else
            addresses->count++;
    return true;
}

void ipv_forget(struct ipv_addresses *addresses)
{
    free(addresses->all);
    *addresses = (struct ipv_addresses){NULL, 0};
}

unsigned ipv_get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

unsigned ipv_checksum(const uint8_t *at, size_t size)
{
    unsigned sum = 0;
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += ipv_get16(at + i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

/* Octets of a packet, 0 of what is none. */
static size_t length_of(struct espproof_octets packet)
{
    unsigned version = packet.size > 0 ? packet.at[0] >> 4 : 0;
    if (version == 6 && packet.size >= IPV6_HEADER)
        return IPV6_HEADER + ipv_get16(packet.at + 4);
    if (version != 4 || packet.size < IPV4_HEADER)
        return 0;
    size_t header = (packet.at[0] & 15) * 4u, total = ipv_get16(packet.at + 2);
    bool right = header >= IPV4_HEADER && header <= total && total <= packet.size;
    return right && ipv_checksum(packet.at, header) == 0 ? total : 0;
}

struct espproof_octets ipv_whole(struct espproof_octets packet)
{
    size_t length = length_of(packet);
    return (struct espproof_octets){packet.at, length <= packet.size ? length : 0};
}

bool ipv_among(const struct ipv_addresses *addresses, const uint8_t *packet)
{
    int version = packet[0] >> 4;
    const uint8_t *destination = packet + (version == 6 ? 24 : 16);
    for (size_t i = 0; i < addresses->count; i++)
        if (addresses->all[i].version == version &&
            memcmp(addresses->all[i].octets, destination, version == 6 ? 16 : 4) == 0)
            return true;
    return false;
}

bool ipv_hop(uint8_t *packet)
{
    uint8_t *left = packet + (packet[0] >> 4 == 6 ? 7 : 8);
    if (*left <= 1)
        return false;
    --*left;
    if (packet[0] >> 4 == 4) {
        unsigned sum = (unsigned)(packet[10] << 8 | packet[11]) + 0x100;
        sum += sum >> 16;
        packet[10] = (uint8_t)(sum >> 8);
        packet[11] = (uint8_t)sum;
    }
    return true;
}
