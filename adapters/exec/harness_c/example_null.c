/* A tiny ESP, to show the harness at work: ENCR_NULL with AUTH_HMAC_SHA2_256_128, IPv4 in IPv4 tunnel mode, 32-bit sequence
 * numbers, a replay window of 64 packets. Integrity only: not for use on a network.
 *
 *     make && espproof run exec:./example_null
 */
#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "espproof_harness.h"

enum { IP_HEADER = 20, ESP_HEADER = 8, TRAILER = 2, ICV = 16, KEY = 32, WINDOW = 64 };
enum { PROTOCOL_IPV4 = 4, PROTOCOL_ESP = 50, PROTOCOL_DUMMY = 59 };

static const char capabilities[] =
    "{\"encryption\":{\"ENCR_NULL\":[0]},\"integrity\":[\"AUTH_HMAC_SHA2_256_128\"],"
    "\"replay_windows\":{\"minimum\":64,\"maximum\":64},\"set_sequence\":true,\"ecn\":[],\"hop_limit\":true,"
    "\"read_state\":[\"sequence\"],\"delete_sa\":true,\"max_packet\":65535,\"ipv4_options\":true}";

struct sa {
    struct sa *next;
    char name[65 * 4];
    bool inbound;
    uint32_t spi;
    uint8_t addresses[8]; /* outer source and destination */
    uint8_t hop_limit;
    uint8_t key[KEY];
    uint32_t sequence; /* last one sent, or highest one authenticated */
    uint64_t received; /* bit n: sequence - n has been received */
};

struct esp {
    struct sa *sas;
};

/* ------------------------------------------------------------------------------------------------------------ octets */

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
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

/* Length of the IPv4 packet at the front of these octets, 0 if there is none. */
static size_t ipv4_length(const uint8_t *at, size_t size)
{
    if (size < IP_HEADER || at[0] < 0x45 || at[0] > 0x4f)
        return 0;
    size_t total = get16(at + 2);
    return total >= (at[0] & 15) * 4u && total <= size ? total : 0;
}

static void icv(const struct sa *sa, const uint8_t *at, size_t size, uint8_t *out)
{
    uint8_t whole[EVP_MAX_MD_SIZE];
    HMAC(EVP_sha256(), sa->key, KEY, at, size, whole, NULL);
    memcpy(out, whole, ICV);
}

/* --------------------------------------------------------------------------------------------------------------- SAs */

static struct sa *named(struct esp *esp, const char *name)
{
    struct sa *sa = esp->sas;
    while (sa != NULL && strcmp(sa->name, name) != 0)
        sa = sa->next;
    return sa;
}

static struct sa *receiving(struct esp *esp, uint32_t spi)
{
    struct sa *sa = esp->sas;
    while (sa != NULL && !(sa->inbound && sa->spi == spi))
        sa = sa->next;
    return sa;
}

static void reset(void *context)
{
    struct esp *esp = context;
    while (esp->sas != NULL) {
        struct sa *sa = esp->sas;
        esp->sas = sa->next;
        free(sa);
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

/* What the SA asks for and this implementation does not do. It must be said: an option that is ignored is a lie. */
static const char *missing(const struct espproof_sa *asked)
{
    const struct espproof_lifetime *lifetime = &asked->lifetime;
    const uint64_t limits[] = {lifetime->soft_packets, lifetime->hard_packets, lifetime->soft_octets,
                               lifetime->hard_octets, lifetime->soft_seconds, lifetime->hard_seconds};
    if (strcmp(asked->protocol, "esp") != 0)
        return "AH";
    if (strcmp(asked->encr, "ENCR_NULL") != 0 || strcmp(asked->auth, "AUTH_HMAC_SHA2_256_128") != 0)
        return "algorithm";
    if (!asked->tunnel || asked->esn || asked->udp)
        return "mode, ESN or UDP";
    if (asked->selectors_count || asked->resync_limit || strcmp(asked->lookup, "spi") != 0)
        return "selectors, resynchronisation or lookup";
    if (asked->inbound && (asked->replay_window != WINDOW || asked->received_offsets_count))
        return "window";
    if (!asked->inbound && (asked->dscp != -1 || strcmp(asked->df, "copy") != 0))
        return "DSCP or DF";
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i] != ESPPROOF_NO_LIMIT)
            return "lifetime";
    return NULL;
}

static enum espproof_result add_sa(void *context, const struct espproof_sa *asked, struct espproof_answer *answer)
{
    struct esp *esp = context;
    if (asked->spi < 256)
        return refuse(answer, "a reserved SPI");
    if (strlen(asked->name) >= sizeof((struct sa *)0)->name || named(esp, asked->name) != NULL)
        return refuse(answer, "name in use");
    if (asked->inbound && receiving(esp, asked->spi) != NULL)
        return refuse(answer, "SPI in use");
    if (strcmp(asked->encr, "ENCR_NULL") == 0 && strcmp(asked->auth, "NONE") == 0)
        return refuse(answer, "neither encryption nor integrity");
    if (missing(asked) != NULL)
        return cannot(answer, missing(asked));
    if (asked->auth_key.size != KEY || asked->encr_key.size || asked->salt.size)
        return refuse(answer, "key size");

    struct sa *sa = calloc(1, sizeof *sa);
    if (sa == NULL)
        return refuse(answer, "out of memory");
    strcpy(sa->name, asked->name);
    sa->inbound = asked->inbound;
    sa->spi = asked->spi;
    sa->hop_limit = (uint8_t)asked->hop_limit;
    memcpy(sa->key, asked->auth_key.at, KEY);
    sa->sequence = (uint32_t)asked->sequence;
    sa->received = sa->sequence != 0;
    if (inet_pton(AF_INET, asked->source, sa->addresses) != 1 ||
        inet_pton(AF_INET, asked->destination, sa->addresses + 4) != 1) {
        free(sa);
        return cannot(answer, "an address that is not IPv4");
    }
    sa->next = esp->sas;
    esp->sas = sa;
    return ESPPROOF_DONE;
}

static enum espproof_result delete_sa(void *context, const char *name, struct espproof_answer *answer)
{
    struct esp *esp = context;
    for (struct sa **at = &esp->sas; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->name, name) == 0) {
            struct sa *gone = *at;
            *at = gone->next;
            free(gone);
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
    state->has_sequence = true;
    state->sequence = sa->sequence;
    return true;
}

/* ---------------------------------------------------------------------------------------------------------- outbound */

static enum espproof_result drop(struct espproof_answer *answer, const char *reason)
{
    answer->reason = reason;
    return ESPPROOF_DROPPED;
}

static enum espproof_result outbound(void *context, const struct espproof_outbound *request,
                                     struct espproof_answer *answer)
{
    struct sa *sa = named(context, request->sa);
    const uint8_t *inner = request->packet.at;
    size_t length = request->packet.size;
    if (request->has_iv || request->tfc || request->dummy)
        return cannot(answer, "iv, tfc or dummy");
    if (sa == NULL || sa->inbound)
        return drop(answer, "no-sa");
    if (ipv4_length(inner, length) == 0)
        return drop(answer, "malformed");
    if (sa->sequence == UINT32_MAX) /* RFC 4303 3.3.3: never cycle */
        return drop(answer, "sequence-overflow");
    size_t padding = (4 - (length + TRAILER) % 4) % 4;
    size_t total = IP_HEADER + ESP_HEADER + length + padding + TRAILER + ICV;
    if (total > ESPPROOF_MAX_PACKET)
        return drop(answer, "too-big");

    uint8_t *header = answer->packet, *esp = header + IP_HEADER, *trailer = esp + ESP_HEADER + length;
    memset(header, 0, IP_HEADER);
    header[0] = 0x45;
    header[1] = inner[1] & 0xfc;
    put16(header + 2, total);
    header[6] = inner[6] & 0x40;
    header[8] = sa->hop_limit;
    header[9] = PROTOCOL_ESP;
    memcpy(header + 12, sa->addresses, 8);
    put16(header + 10, checksum(header, IP_HEADER));
    put32(esp, sa->spi);
    put32(esp + 4, ++sa->sequence);
    memcpy(esp + ESP_HEADER, inner, length);
    for (size_t i = 0; i < padding; i++)
        trailer[i] = (uint8_t)(i + 1);
    trailer[padding] = (uint8_t)padding;
    trailer[padding + 1] = PROTOCOL_IPV4;
    icv(sa, esp, total - IP_HEADER - ICV, header + total - ICV);
    answer->size = total;
    return ESPPROOF_SENT;
}

/* ----------------------------------------------------------------------------------------------------------- inbound */

static bool is_replay(const struct sa *sa, uint32_t number)
{
    if (number > sa->sequence)
        return false;
    uint32_t offset = sa->sequence - number;
    return offset >= WINDOW || (sa->received >> offset & 1);
}

static void advance(struct sa *sa, uint32_t number)
{
    if (number <= sa->sequence) {
        sa->received |= UINT64_C(1) << (sa->sequence - number);
        return;
    }
    uint32_t shift = number - sa->sequence;
    sa->received = shift < WINDOW ? sa->received << shift | 1 : 1;
    sa->sequence = number;
}

static enum espproof_result inbound(void *context, struct espproof_octets packet, struct espproof_answer *answer)
{
    const uint8_t *outer = packet.at;
    size_t total = ipv4_length(outer, packet.size);
    if (total == 0 || checksum(outer, (outer[0] & 15) * 4u) != 0)
        return drop(answer, "malformed");
    if (outer[9] != PROTOCOL_ESP)
        return ESPPROOF_PASSED_BYPASS;
    if (get16(outer + 6) & 0x3fff)
        return drop(answer, "fragment");
    const uint8_t *esp = outer + (outer[0] & 15) * 4u;
    size_t size = total - (size_t)(esp - outer);
    if (size < ESP_HEADER)
        return drop(answer, "malformed");
    struct sa *sa = receiving(context, get32(esp));
    if (sa == NULL)
        return drop(answer, "no-sa");
    if (size < ESP_HEADER + TRAILER + ICV || size % 4)
        return drop(answer, "malformed");
    uint32_t number = get32(esp + 4);
    if (is_replay(sa, number))
        return drop(answer, "replay");
    uint8_t right[ICV];
    icv(sa, esp, size - ICV, right);
    if (CRYPTO_memcmp(right, esp + size - ICV, ICV) != 0)
        return drop(answer, "integrity");
    advance(sa, number);

    const uint8_t *inner = esp + ESP_HEADER, *end = esp + size - ICV - TRAILER;
    size_t padding = end[0];
    if (padding > (size_t)(end - inner))
        return drop(answer, "padding");
    for (size_t i = 0; i < padding; i++)
        if (end[(ptrdiff_t)i - (ptrdiff_t)padding] != i + 1)
            return drop(answer, "padding");
    if (end[1] == PROTOCOL_DUMMY)
        return drop(answer, "dummy");
    size_t length = ipv4_length(inner, (size_t)(end - inner) - padding);
    if (end[1] != PROTOCOL_IPV4 || length == 0)
        return drop(answer, "mode");
    memcpy(answer->packet, inner, length); /* what follows is TFC padding */
    answer->size = length;
    answer->sa = sa->name;
    return ESPPROOF_DELIVERED;
}

int main(void)
{
    struct esp esp = {NULL};
    const struct espproof_implementation implementation = {
        .name = "example-null",
        .version = "1",
        .capabilities = capabilities,
        .context = &esp,
        .reset = reset,
        .add_sa = add_sa,
        .delete_sa = delete_sa,
        .outbound = outbound,
        .inbound = inbound,
        .read_state = read_state,
    };
    int status = espproof_serve(&implementation, stdin, stdout);
    reset(&esp);
    return status;
}
