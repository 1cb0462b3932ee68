/* strongSwan's libipsec behind the exec protocol: tunnel mode, without extended numbers.
 *
 * A packet takes the way that it takes in charon with the kernel-libipsec plugin: into a queue of libipsec's processor,
 * through SPD, SAD and ESP, to a callback. What is the caller's business is here the plainest that is right: the outer IP
 * header (the addresses of the SA, its hop limit, DSCP and DF; ECN 0), and the choice of an outbound SA, as the policy in
 * force is always that of the SA which a case names. A case with a host has policies of its own: see host.h.
 *
 * Inbound, an SA is brought into its starting state by set_authenticated_seqno(), as traffic would. For the sender there
 * is no such function: its counter is found by watching the context while next_seqno() counts, and then set. Why a packet
 * is discarded libipsec only logs; decrypt() is watched for it.
 *
 *     shim VERSION
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "host.h"

/* What fits whatever the algorithm: how long the ESP packet is, is known when its number has been used up. */
enum { MAX_INNER = 65300, ESP_HEADER = 8 };

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
    "\"dscp\":[\"fixed\"],\"ecn\":[\"normal\"],\"df\":[\"set\",\"clear\"],\"hop_limit\":true,\"lookup\":[\"spi+destination\"],"
    "\"selectors\":true,\"lifetimes\":[\"packets\",\"octets\",\"seconds\"],"
    "\"read_state\":[\"sequence\",\"received_offsets\",\"packets\",\"octets\",\"lifetime\"],\"delete_sa\":true,"
    "\"max_packet\":65000,\"ipv4_options\":true,\"ipv6_extension_headers\":true,"
    "\"host\":{\"forward\":[false],\"actions\":[\"protect\"],\"unmatched\":[\"discard\"],\"clear\":false,"
    "\"priorities\":4,\"templates\":[],\"sa_selectors\":false,\"ports\":\"ranges\",\"local\":true,"
    "\"events\":[\"soft\",\"hard\"],\"flush\":true}}";

/* The packet that is on its way through libipsec. */
static struct {
    int (*decrypt)(esp_packet_t *, esp_context_t *);
    esp_context_t *context; /* of the SA that was found, or NULL */
    int status;             /* of decrypt() */
    const struct outer *outer;
    struct espproof_answer *answer;
} passing;

static enum espproof_result drop(struct espproof_answer *answer, const char *reason)
{
    answer->reason = reason;
    return ESPPROOF_DROPPED;
}

/* ----------------------------------------------------------------------------------------------------------- outbound */

static void protected(void *context, esp_packet_t *esp)
{
    struct espproof_answer *answer = passing.answer;
    chunk_t data = esp->packet.get_data(&esp->packet);
    size_t header = outer_put(passing.outer, answer->packet, data.size);
    memcpy(answer->packet + header, data.at, data.size);
    answer->size = header + data.size;
    esp->destroy(esp);
    (void)context;
}

static enum espproof_result outbound(void *context, const struct espproof_outbound *request,
                                     struct espproof_answer *answer)
{
    const struct association *sa = associations_named(context, request->sa);
    if (request->has_iv || request->tfc || request->dummy) {
        answer->reason = "iv, tfc or dummy";
        return ESPPROOF_UNSUPPORTED;
    }
    if (sa == NULL || sa->inbound) {
        answer->reason = "no outbound SA of that name";
        return ESPPROOF_REFUSED;
    }
    if (request->packet.size > MAX_INNER)
        return drop(answer, "too-big");
    ip_packet_t *inner = ip_packet_create(outer_copy(request->packet));
    if (inner == NULL)
        return drop(answer, "malformed");
    associations_send_with(context, sa);
    passing.outer = &sa->outer;
    passing.answer = answer;
    instance_outbound(inner);
    return answer->size > 0 ? ESPPROOF_SENT : drop(answer, NULL);
}

/* ------------------------------------------------------------------------------------------------------------ inbound */

static int watched_decrypt(esp_packet_t *esp, esp_context_t *context)
{
    passing.context = context;
    passing.status = passing.decrypt(esp, context);
    return passing.status;
}

static void opened(void *context, ip_packet_t *inner)
{
    struct espproof_answer *answer = passing.answer;
    chunk_t octets = inner->get_encoding(inner);
    memcpy(answer->packet, octets.at, octets.size);
    answer->size = octets.size;
    answer->sa = associations_with(context, passing.context)->name;
    inner->destroy(inner);
}

static const char *why_discarded(size_t esp_size)
{
    if (passing.context == NULL)
        return esp_size < ESP_HEADER ? "malformed" : "no-sa";
    return passing.status == FAILED ? "integrity" : passing.status == VERIFY_ERROR ? "replay" : NULL;
}

static enum espproof_result inbound(void *context, struct espproof_octets packet, struct espproof_answer *answer)
{
    struct associations *associations = context;
    struct outer_opened outer;
    switch (outer_open(packet, &outer)) {
    case OUTER_ESP:
        break;
    case OUTER_OTHER:
        return ESPPROOF_PASSED_BYPASS;
    case OUTER_FRAGMENT:
        return drop(answer, "fragment");
    case OUTER_MALFORMED:
        return drop(answer, "malformed");
    }
    esp_packet_t *esp = outer_esp(&outer);
    passing.answer = answer;
    passing.context = NULL;
    passing.decrypt = esp->decrypt;
    esp->decrypt = watched_decrypt;
    instance_use(&associations->receiver);
    instance_inbound(esp);
    return answer->size > 0 ? ESPPROOF_DELIVERED : drop(answer, why_discarded(outer.esp.size));
}

/* ---------------------------------------------------------------------------------------------------------- the start */

static void reset(void *context)
{
    associations_reset(context);
    host_reset();
}

static enum espproof_result add_sa(void *context, const struct espproof_sa *asked, struct espproof_answer *answer)
{
    return associations_add(context, asked, answer);
}

static enum espproof_result delete_sa(void *context, const char *name, struct espproof_answer *answer)
{
    return associations_delete(context, name, answer);
}

static bool read_state(void *context, const char *name, struct espproof_state *state)
{
    return associations_read(context, name, state);
}

static void advance_time(void *context, uint64_t seconds)
{
    associations_pass(context, seconds);
}

/* The libraries read a configuration, from a regular file: here an empty one that is nowhere. */
static void use_no_configuration(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", memfd_create("strongswan.conf", 0));
    setenv("STRONGSWAN_CONF", path, 1);
}

static void take_packets_of(struct associations *associations)
{
    ipsec_processor_t *sender = associations->sender.ipsec->processor;
    ipsec_processor_t *receiver = associations->receiver.ipsec->processor;
    sender->register_outbound(sender, protected, associations);
    receiver->register_inbound(receiver, opened, associations);
}

int main(int count, char **arguments)
{
    use_no_configuration();
    dbg_default_set_level(-1);
    if (!library_init(NULL, "espproof") || !lib->plugins->load(lib->plugins, plugins)) {
        fputs("libstrongswan does not start: are its plugins installed?\n", stderr);
        return 1;
    }
    struct associations associations = {0};
    const char *differs = instance_take_over();
    if (differs == NULL)
        differs = associations_start(&associations);
    if (differs != NULL) {
        fprintf(stderr, "this is not libipsec 5.9.8: %s\n", differs);
        return 1;
    }
    take_packets_of(&associations);
    host_start(&associations);
    const struct espproof_implementation libipsec = {
        .name = "libipsec", .version = count > 1 ? arguments[1] : "?", .capabilities = capabilities,
        .context = &associations, .reset = reset, .add_sa = add_sa, .delete_sa = delete_sa, .outbound = outbound,
        .inbound = inbound, .read_state = read_state, .advance_time = advance_time, .host = &host_operations,
    };
    return espproof_serve(&libipsec, stdin, stdout);
}
