/* strongSwan's libipsec behind the exec protocol: ESP of one SA at a time, in tunnel mode, without extended numbers.
 *
 * libipsec turns an IP packet into an ESP packet and back. The rest is its caller's business, and here the plainest that
 * is right: the outer IP header (the addresses of the SA, its hop limit, DSCP and DF; ECN 0), and the search for the SA, by
 * SPI alone. As in libipsec's own processor, only next headers 4 and 41 lead to a packet that is delivered.
 *
 * Inbound, an SA is brought into its starting state by set_authenticated_seqno(), as traffic would. For the sender there
 * is no such function: its counter is found by watching the context while next_seqno() counts, and then set.
 *
 *     libipsec_shim VERSION
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "espproof_harness.h"
#include "strongswan.h"

/* What fits whatever the algorithm: how long the ESP packet is, is known when its number has been used up. */
enum { MAX_INNER = 65300 };
enum { IPV4_HEADER = 20, IPV6_HEADER = 40, ESP_START = 8, NEXT_IPV4 = 4, NEXT_IPV6 = 41, WINDOW = 128 };

static const char plugins[] =
    "nonce random aes des sha1 sha2 md5 hmac xcbc cmac ctr ccm gcm chapoly openssl";

/* Without the algorithms that the plugins of this machine do not bring: the adapter asks for one SA of each. */
static const char capabilities[] =
    "{\"encryption\":{\"ENCR_NULL\":[0],\"ENCR_AES_CBC\":[16,24,32],\"ENCR_AES_CTR\":[16,24,32],\"ENCR_3DES\":[24],"
    "\"ENCR_AES_CCM_8\":[16,24,32],\"ENCR_AES_CCM_12\":[16,24,32],\"ENCR_AES_CCM_16\":[16,24,32],"
    "\"ENCR_AES_GCM_8\":[16,24,32],\"ENCR_AES_GCM_12\":[16,24,32],\"ENCR_AES_GCM_16\":[16,24,32],"
    "\"ENCR_NULL_AUTH_AES_GMAC\":[16,24,32],\"ENCR_CHACHA20_POLY1305\":[32]},"
    "\"integrity\":[\"NONE\",\"AUTH_HMAC_MD5_96\",\"AUTH_HMAC_SHA1_96\",\"AUTH_AES_XCBC_96\",\"AUTH_AES_CMAC_96\","
    "\"AUTH_HMAC_SHA2_256_128\",\"AUTH_HMAC_SHA2_384_192\",\"AUTH_HMAC_SHA2_512_256\"],"
    "\"families\":[\"4in4\",\"6in4\",\"4in6\",\"6in6\"],"
    "\"replay_windows\":{\"minimum\":128,\"maximum\":128},\"set_sequence\":true,\"set_window\":true,"
    "\"dscp\":[\"fixed\"],\"ecn\":[],\"df\":[\"set\",\"clear\"],\"hop_limit\":true,"
    "\"read_state\":[\"sequence\"],\"delete_sa\":true,\"max_packet\":65000,\"ipv4_options\":true,"
    "\"ipv6_extension_headers\":true}";

struct sa {
    struct sa *next;
    char *name;
    bool inbound;
    uint32_t spi; /* in network order */
    int version;
    uint8_t source[16], destination[16];
    uint8_t hop_limit, traffic_class;
    bool dont_fragment;
    host_t *ends[2];
    ipsec_sa_t *sa;
};

struct shim {
    struct sa *sas;
};

struct number {
    const char *name;
    uint16_t id;
};

/* IANA, IKEv2 transform types 1 and 3. */
static const struct number encryption[] = {
    {"ENCR_3DES", 3},         {"ENCR_NULL", 11},        {"ENCR_AES_CBC", 12},    {"ENCR_AES_CTR", 13},
    {"ENCR_AES_CCM_8", 14},   {"ENCR_AES_CCM_12", 15},  {"ENCR_AES_CCM_16", 16}, {"ENCR_AES_GCM_8", 18},
    {"ENCR_AES_GCM_12", 19},  {"ENCR_AES_GCM_16", 20},  {"ENCR_NULL_AUTH_AES_GMAC", 21},
    {"ENCR_CHACHA20_POLY1305", 28}, {NULL, 0},
};
static const struct number integrity[] = {
    {"NONE", 1024}, /* strongSwan's AUTH_UNDEFINED */
    {"AUTH_HMAC_MD5_96", 1},        {"AUTH_HMAC_SHA1_96", 2},       {"AUTH_AES_XCBC_96", 5}, {"AUTH_AES_CMAC_96", 8},
    {"AUTH_HMAC_SHA2_256_128", 12}, {"AUTH_HMAC_SHA2_384_192", 13}, {"AUTH_HMAC_SHA2_512_256", 14}, {NULL, 0},
};

static const struct number *find(const struct number *table, const char *name)
{
    while (table->name != NULL && strcmp(table->name, name) != 0)
        table++;
    return table->name != NULL ? table : NULL;
}

static chunk_t copy(struct espproof_octets octets)
{
    chunk_t chunk = {malloc(octets.size ? octets.size : 1), octets.size};
    if (chunk.at == NULL)
        abort();
    memcpy(chunk.at, octets.at, octets.size);
    return chunk;
}

/* --------------------------------------------------------------------------------------------------------------- SAs */

static struct sa *named(struct shim *shim, const char *name)
{
    struct sa *sa = shim->sas;
    while (sa != NULL && strcmp(sa->name, name) != 0)
        sa = sa->next;
    return sa;
}

static struct sa *receiving(struct shim *shim, uint32_t spi)
{
    struct sa *sa = shim->sas;
    while (sa != NULL && !(sa->inbound && sa->spi == spi))
        sa = sa->next;
    return sa;
}

static void release(struct sa *sa)
{
    if (sa->sa != NULL)
        sa->sa->destroy(sa->sa);
    for (int i = 0; i < 2; i++)
        if (sa->ends[i] != NULL)
            sa->ends[i]->destroy(sa->ends[i]);
    free(sa->name);
    free(sa);
}

static void reset(void *context)
{
    struct shim *shim = context;
    while (shim->sas != NULL) {
        struct sa *sa = shim->sas;
        shim->sas = sa->next;
        release(sa);
    }
}

static enum espproof_result refuse(struct espproof_answer *answer, const char *why)
{
    answer->reason = why;
    return ESPPROOF_REFUSED;
}

static enum espproof_result cannot(struct espproof_answer *answer, const char *what)
{
    answer->reason = what;
    return ESPPROOF_UNSUPPORTED;
}

/* What the SA asks for and libipsec, or this shim, does not do. */
static const char *missing(const struct espproof_sa *asked)
{
    const struct espproof_lifetime *lifetime = &asked->lifetime;
    const uint64_t limits[] = {lifetime->soft_packets, lifetime->hard_packets, lifetime->soft_octets,
                               lifetime->hard_octets, lifetime->soft_seconds, lifetime->hard_seconds};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i] != ESPPROOF_NO_LIMIT)
            return "lifetime";
    if (find(encryption, asked->encr) == NULL || find(integrity, asked->auth) == NULL)
        return "algorithm";
    if (!asked->tunnel || asked->esn || asked->udp)
        return "mode, ESN or UDP";
    if (asked->selectors_count || asked->resync_limit || strcmp(asked->lookup, "spi") != 0)
        return "selectors, resynchronisation or lookup";
    if (asked->inbound && asked->replay_window != WINDOW)
        return "replay window";
    if (!asked->inbound && (asked->dscp < 0 || strcmp(asked->df, "copy") == 0))
        return "DSCP or DF that is copied";
    return NULL;
}

/* Where a sender's context keeps its counter, in octets from its start; 0 if it cannot be told. */
static size_t counter_of(esp_context_t *context)
{
    static size_t known;
    uint32_t number;
    for (size_t at = sizeof *context; known == 0 && at + 4 <= malloc_usable_size(context); at += 4) {
        uint32_t *place = (uint32_t *)((uint8_t *)context + at), before = *place;
        if (before != context->get_seqno(context))
            continue;
        *place = 0x1d2c3b4a;
        bool here = context->get_seqno(context) == *place && context->next_seqno(context, &number) &&
                    number == 0x1d2c3b4b && *place == number;
        *place = before;
        if (here)
            known = at;
    }
    return known;
}

/* The state in which the SA starts. */
static bool start(esp_context_t *context, const struct espproof_sa *asked)
{
    uint32_t top = (uint32_t)asked->sequence;
    if (top == 0)
        return true;
    if (!asked->inbound) {
        size_t at = counter_of(context);
        if (at == 0)
            return false;
        *(uint32_t *)((uint8_t *)context + at) = top;
        return context->get_seqno(context) == top;
    }
    context->set_authenticated_seqno(context, top);
    for (size_t i = 0; i < asked->received_offsets_count; i++)
        context->set_authenticated_seqno(context, top - (uint32_t)asked->received_offsets[i]);
    return true;
}

static bool addresses(struct sa *sa, const struct espproof_sa *asked)
{
    int family = strchr(asked->destination, ':') != NULL ? AF_INET6 : AF_INET;
    sa->version = family == AF_INET6 ? 6 : 4;
    sa->ends[0] = host_create_from_string(asked->source, 4500);
    sa->ends[1] = host_create_from_string(asked->destination, 4500);
    return inet_pton(family, asked->source, sa->source) == 1 &&
           inet_pton(family, asked->destination, sa->destination) == 1 && sa->ends[0] != NULL && sa->ends[1] != NULL;
}

static enum espproof_result add_sa(void *context, const struct espproof_sa *asked, struct espproof_answer *answer)
{
    struct shim *shim = context;
    if (named(shim, asked->name) != NULL)
        return refuse(answer, "name in use");
    if (asked->spi == 0)
        return refuse(answer, "SPI 0");
    if (asked->inbound && receiving(shim, htonl(asked->spi)) != NULL)
        return refuse(answer, "SPI in use");
    if (missing(asked) != NULL)
        return cannot(answer, missing(asked));

    struct sa *sa = calloc(1, sizeof *sa);
    if (sa == NULL || (sa->name = strdup(asked->name)) == NULL)
        abort();
    sa->inbound = asked->inbound;
    sa->spi = htonl(asked->spi);
    sa->hop_limit = (uint8_t)asked->hop_limit;
    sa->traffic_class = asked->dscp > 0 ? (uint8_t)(asked->dscp << 2) : 0;
    sa->dont_fragment = strcmp(asked->df, "set") == 0;
    if (!addresses(sa, asked)) {
        release(sa);
        return refuse(answer, "an address that is none, or of the other version");
    }
    chunk_t key = {malloc(asked->encr_key.size + asked->salt.size + 1), asked->encr_key.size + asked->salt.size};
    if (key.at == NULL)
        abort();
    memcpy(key.at, asked->encr_key.at, asked->encr_key.size);
    memcpy(key.at + asked->encr_key.size, asked->salt.at, asked->salt.size);
    chunk_t auth_key = copy(asked->auth_key);
    lifetime_cfg_t lifetime = {0};
    sa->sa = ipsec_sa_create(sa->spi, sa->ends[0], sa->ends[1], PROTO_ESP, 1, (mark_t){0, 0}, 0, &lifetime,
                             find(encryption, asked->encr)->id, key, find(integrity, asked->auth)->id, auth_key,
                             MODE_TUNNEL, 0, 0, true, false, asked->inbound);
    free(key.at);
    free(auth_key.at);
    if (sa->sa == NULL) {
        release(sa);
        return refuse(answer, "ipsec_sa_create");
    }
    if (!start(sa->sa->get_esp_context(sa->sa), asked)) {
        release(sa);
        return cannot(answer, "set_sequence");
    }
    sa->next = shim->sas;
    shim->sas = sa;
    return ESPPROOF_DONE;
}

static enum espproof_result delete_sa(void *context, const char *name, struct espproof_answer *answer)
{
    struct shim *shim = context;
    for (struct sa **at = &shim->sas; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->name, name) == 0) {
            struct sa *gone = *at;
            *at = gone->next;
            release(gone);
            return ESPPROOF_DONE;
        }
    }
    return refuse(answer, "no such SA");
}

static bool read_state(void *context, const char *name, struct espproof_state *state)
{
    struct sa *sa = named(context, name);
    if (sa == NULL)
        return false;
    esp_context_t *esp = sa->sa->get_esp_context(sa->sa);
    state->has_sequence = true;
    state->sequence = esp->get_seqno(esp);
    return true;
}

/* ------------------------------------------------------------------------------------------------------- outer header */

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* RFC 1071; 0 over a header that carries a right one. */
static unsigned checksum(const uint8_t *at, size_t size)
{
    unsigned sum = 0;
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += get16(at + i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

/* Writes the header in front of `size` octets of ESP, which fit; its length. */
static size_t put_header(const struct sa *sa, uint8_t *at, size_t size)
{
    if (sa->version == 6) {
        memset(at, 0, 8);
        at[0] = (uint8_t)(0x60 | sa->traffic_class >> 4);
        at[1] = (uint8_t)(sa->traffic_class << 4);
        put16(at + 4, size);
        at[6] = PROTO_ESP;
        at[7] = sa->hop_limit;
        memcpy(at + 8, sa->source, 16);
        memcpy(at + 24, sa->destination, 16);
        return IPV6_HEADER;
    }
    memset(at, 0, IPV4_HEADER);
    at[0] = 0x45;
    at[1] = sa->traffic_class;
    put16(at + 2, IPV4_HEADER + size);
    at[6] = sa->dont_fragment ? 0x40 : 0;
    at[8] = sa->hop_limit;
    at[9] = PROTO_ESP;
    memcpy(at + 12, sa->source, 4);
    memcpy(at + 16, sa->destination, 4);
    put16(at + 10, checksum(at, IPV4_HEADER));
    return IPV4_HEADER;
}

enum found { ESP, OTHER, FRAGMENT, MALFORMED };

/* Walks the IPv6 extension headers that may stand in front of ESP (hop-by-hop, routing, fragment, destination). */
static enum found walk_ipv6(struct espproof_octets packet, struct espproof_octets *esp)
{
    if (packet.size < IPV6_HEADER || IPV6_HEADER + get16(packet.at + 4) > packet.size)
        return MALFORMED;
    size_t at = IPV6_HEADER, end = IPV6_HEADER + get16(packet.at + 4);
    unsigned next = packet.at[6];
    while (next == 0 || next == 43 || next == 44 || next == 60) {
        if (at + 8 > end || (next == 0 && at != IPV6_HEADER))
            return MALFORMED;
        size_t size = next == 44 ? 8 : 8 + 8 * (size_t)packet.at[at + 1];
        if (at + size > end)
            return MALFORMED;
        if (next == 44 && (get16(packet.at + at + 2) & 0xfff9) != 0)
            return FRAGMENT;
        next = packet.at[at];
        at += size;
    }
    *esp = (struct espproof_octets){packet.at + at, end - at};
    return next == PROTO_ESP ? ESP : OTHER;
}

/* What a packet from the network is, and where its ESP begins. */
static enum found open_header(struct espproof_octets packet, struct espproof_octets *esp)
{
    if (packet.size > 0 && packet.at[0] >> 4 == 6)
        return walk_ipv6(packet, esp);
    if (packet.size < IPV4_HEADER || packet.at[0] < 0x45 || packet.at[0] > 0x4f)
        return MALFORMED;
    size_t header = (packet.at[0] & 15) * 4u, total = get16(packet.at + 2);
    if (total < header || total > packet.size || checksum(packet.at, header) != 0)
        return MALFORMED;
    *esp = (struct espproof_octets){packet.at + header, total - header};
    if (packet.at[9] != PROTO_ESP)
        return OTHER;
    return get16(packet.at + 6) & 0x3fff ? FRAGMENT : ESP;
}

/* ------------------------------------------------------------------------------------------------------------ traffic */

static enum espproof_result drop(struct espproof_answer *answer, const char *reason)
{
    answer->reason = reason;
    return ESPPROOF_DROPPED;
}

static enum espproof_result outbound(void *context, const struct espproof_outbound *request,
                                     struct espproof_answer *answer)
{
    struct sa *sa = named(context, request->sa);
    if (request->has_iv || request->tfc || request->dummy)
        return cannot(answer, "iv, tfc or dummy");
    if (sa == NULL || sa->inbound)
        return refuse(answer, "no outbound SA of that name");
    if (request->packet.size > MAX_INNER)
        return drop(answer, "too-big");
    ip_packet_t *inner = ip_packet_create(copy(request->packet));
    if (inner == NULL)
        return drop(answer, "malformed");
    esp_packet_t *esp =
        esp_packet_create_from_payload(sa->ends[0]->clone(sa->ends[0]), sa->ends[1]->clone(sa->ends[1]), inner);
    enum espproof_result result = drop(answer, NULL);
    if (esp->encrypt(esp, sa->sa->get_esp_context(sa->sa), sa->spi) == SUCCESS) {
        chunk_t data = esp->packet.get_data(&esp->packet);
        size_t header = put_header(sa, answer->packet, data.size);
        memcpy(answer->packet + header, data.at, data.size);
        answer->size = header + data.size;
        result = ESPPROOF_SENT;
    }
    esp->destroy(esp);
    return result;
}

static enum espproof_result opened(struct sa *sa, esp_packet_t *esp, struct espproof_answer *answer)
{
    switch (esp->decrypt(esp, sa->sa->get_esp_context(sa->sa))) {
    case SUCCESS:
        break;
    case FAILED:
        return drop(answer, "integrity");
    case VERIFY_ERROR:
        return drop(answer, "replay");
    default:
        return drop(answer, NULL);
    }
    uint8_t next = esp->get_next_header(esp);
    ip_packet_t *payload = esp->get_payload(esp);
    if ((next != NEXT_IPV4 && next != NEXT_IPV6) || payload == NULL)
        return drop(answer, NULL);
    chunk_t inner = payload->get_encoding(payload);
    memcpy(answer->packet, inner.at, inner.size);
    answer->size = inner.size;
    answer->sa = sa->name;
    return ESPPROOF_DELIVERED;
}

static enum espproof_result inbound(void *context, struct espproof_octets packet, struct espproof_answer *answer)
{
    struct espproof_octets octets;
    switch (open_header(packet, &octets)) {
    case ESP:
        break;
    case OTHER:
        return ESPPROOF_PASSED_BYPASS;
    case FRAGMENT:
        return drop(answer, "fragment");
    case MALFORMED:
        return drop(answer, "malformed");
    }
    uint32_t spi = 0;
    memcpy(&spi, octets.at, octets.size < 4 ? octets.size : 4);
    struct sa *sa = octets.size < 4 ? NULL : receiving(context, spi);
    if (sa == NULL)
        return drop(answer, "no-sa");
    host_t *source = sa->ends[0]->clone(sa->ends[0]), *destination = sa->ends[1]->clone(sa->ends[1]);
    esp_packet_t *esp = esp_packet_create_from_packet(packet_create_from_data(source, destination, copy(octets)));
    enum espproof_result result =
        esp->parse_header(esp, &spi) ? opened(sa, esp, answer) : drop(answer, "malformed");
    esp->destroy(esp);
    return result;
}

/* The libraries read a configuration, from a regular file: here an empty one that is nowhere. */
static void use_no_configuration(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", memfd_create("strongswan.conf", 0));
    setenv("STRONGSWAN_CONF", path, 1);
}

int main(int count, char **arguments)
{
    use_no_configuration();
    dbg_default_set_level(-1);
    if (!library_init(NULL, "espproof") || !lib->plugins->load(lib->plugins, plugins) || !libipsec_init()) {
        fputs("libstrongswan does not start: are its plugins installed?\n", stderr);
        return 1;
    }
    struct shim shim = {NULL};
    const struct espproof_implementation libipsec = {
        .name = "libipsec", .version = count > 1 ? arguments[1] : "?", .capabilities = capabilities, .context = &shim,
        .reset = reset, .add_sa = add_sa, .delete_sa = delete_sa, .outbound = outbound, .inbound = inbound,
        .read_state = read_state,
    };
    return espproof_serve(&libipsec, stdin, stdout);
}
