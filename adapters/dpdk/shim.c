/* rte_ipsec behind espproof's exec protocol. SAs and callbacks; see engine.h, transforms.h, sad.h and packets.h for the rest.
 *
 * What rte_ipsec leaves to the application is done here in the plainest way: finding ESP in a packet and its SA
 * (with rte_ipsec_sad), UDP off the packet (in transport mode also on it), the outer header as a template, IPv4 header
 * checksums of what was made, refusing SAs that cannot be told apart. What comes out is told as it is.
 *
 * Usage: shim DEVICE [cpu] [crossed] [gmac] [udp]
 *   DEVICE   a virtual crypto device: crypto_openssl0, crypto_aesni_mb0, …
 *   cpu      sessions of type CPU_CRYPTO (synchronous) instead of lookaside
 *   crossed  tunnels carry IPv6 in IPv4 and IPv4 in IPv6: an SA of rte_ipsec is for one inner version
 *   gmac     AES-GMAC alone, outbound, also with ESN, where rte_ipsec gets every packet wrong
 *   udp      outbound alone; UDP is left to rte_ipsec in transport mode too, as its option `udp_encap` promises
 */
#include <arpa/inet.h>
#include <rte_cryptodev.h>
#include <rte_errno.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_version.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "espproof_harness.h"
#include "packets.h"
#include "sad.h"
#include "survival.h"
#include "transforms.h"

enum { MAX_SAS = 512, MAX_NAME = 64, MAX_WINDOW = 4096, IPV4_HEADER = 20, IPV6_HEADER = 40, MIN_ESP = 8 };

struct address {
    uint8_t octets[16]; /* IPv4: the first 4 */
};

struct sa {
    bool used;
    char name[MAX_NAME + 1];
    bool inbound, tunnel, ipv6, inner_ipv6, udp, library_has_udp;
    uint16_t udp_source_port, udp_destination_port; /* host order */
    struct address source, destination;
    struct sad_key key;
    struct rte_ipsec_session session;
};

struct shim {
    struct engine engine;
    struct sad sad;
    bool cpu, crossed, gmac, udp;
    struct survival survival; /* of the CPU path */
    struct sa sas[MAX_SAS];
    size_t used; /* no SA stands behind so many */
};

static const char CAPABILITIES[] =
    "{\"encryption\":{%s},\"integrity\":[%s],%s,\"esn\":[false,true],"
    "\"replay_windows\":{\"minimum\":32,\"maximum\":4096,\"step\":1,\"off\":true},"
    "\"set_sequence\":true,\"udp\":[4,6],\"udp_ports\":true,\"dscp\":[\"copy\",\"fixed\"],"
    "\"ecn\":[\"normal\",\"compatibility\"],\"df\":[\"set\",\"clear\",\"copy\"],\"hop_limit\":true,"
    "\"lookup\":[\"spi\",\"spi+destination\",\"spi+destination+source\"],\"delete_sa\":true,\"max_packet\":%d,"
    "\"ipv4_options\":true,\"ipv6_extension_headers\":true}";
static const char GMAC_ENCRYPTION[] = "\"ENCR_NULL_AUTH_AES_GMAC\":[16,24,32]", GMAC_INTEGRITY[] = "\"NONE\"";
static const char ENCRYPTION[] =
    "\"ENCR_AES_GCM_16\":[16,24,32],\"ENCR_AES_GCM_12\":[16,24,32],\"ENCR_AES_GCM_8\":[16,24,32],"
    "\"ENCR_AES_CCM_16\":[16,24,32],\"ENCR_AES_CCM_12\":[16,24,32],\"ENCR_AES_CCM_8\":[16,24,32],"
    "\"ENCR_CHACHA20_POLY1305\":[32],\"ENCR_NULL_AUTH_AES_GMAC\":[16,24,32],\"ENCR_NULL\":[0],"
    "\"ENCR_AES_CBC\":[16,24,32],\"ENCR_AES_CTR\":[16,24,32],\"ENCR_3DES\":[24]";
static const char INTEGRITY[] =
    "\"NONE\",\"AUTH_HMAC_SHA1_96\",\"AUTH_HMAC_SHA2_256_128\",\"AUTH_HMAC_SHA2_384_192\","
    "\"AUTH_HMAC_SHA2_512_256\",\"AUTH_HMAC_MD5_96\",\"AUTH_AES_XCBC_96\",\"AUTH_AES_CMAC_96\"";
static const char PLAIN[] = "\"modes\":[\"transport\",\"tunnel\"],\"families\":[\"4in4\",\"6in6\"],"
    "\"set_window\":true";
static const char CROSSED[] = "\"modes\":[\"tunnel\"],\"families\":[\"6in4\",\"4in6\"],"
    "\"set_window\":true";
static const char OUTBOUND[] = "\"modes\":[\"transport\",\"tunnel\"],\"families\":[\"4in4\",\"6in6\"],"
    "\"directions\":[\"out\"]";

static enum espproof_result no(enum espproof_result result, const char *reason, struct espproof_answer *answer)
{
    answer->reason = reason;
    return result;
}

/* ----------------------------------------------------------------------------------------------------------- SAs by name */

static struct sa *sa_named(struct shim *shim, const char *name)
{
    for (size_t i = 0; i < shim->used; i++)
        if (shim->sas[i].used && strcmp(shim->sas[i].name, name) == 0)
            return &shim->sas[i];
    return NULL;
}

static struct sa *free_place(struct shim *shim)
{
    size_t i = 0;
    while (i < MAX_SAS && shim->sas[i].used)
        i++;
    if (i == MAX_SAS)
        return NULL;
    if (i >= shim->used)
        shim->used = i + 1;
    return &shim->sas[i];
}

static bool key_is_taken(const struct shim *shim, const struct sa *sa)
{
    for (size_t i = 0; i < shim->used; i++)
        if (shim->sas[i].used && shim->sas[i].inbound && sad_keys_equal(&shim->sas[i].key, &sa->key))
            return true;
    return false;
}

/* ------------------------------------------------------------------------------------------------------- making an SA */

/* The outer header that rte_ipsec copies in front of ESP; it fills in lengths, identification and what it copies. */
static size_t fill_template(const struct espproof_sa *from, const struct sa *sa, uint8_t *at)
{
    uint8_t protocol = from->udp ? PROTOCOL_UDP : PROTOCOL_ESP, dscp = from->dscp < 0 ? 0 : (uint8_t)from->dscp;
    if (sa->ipv6) {
        struct rte_ipv6_hdr *header = (struct rte_ipv6_hdr *)at;
        *header = (struct rte_ipv6_hdr){.vtc_flow = htonl(6u << 28 | (uint32_t)dscp << 22),
                                        .proto = protocol,
                                        .hop_limits = (uint8_t)from->hop_limit};
        memcpy(header->src_addr, sa->source.octets, 16);
        memcpy(header->dst_addr, sa->destination.octets, 16);
        return IPV6_HEADER;
    }
    struct rte_ipv4_hdr *header = (struct rte_ipv4_hdr *)at;
    *header = (struct rte_ipv4_hdr){.version_ihl = 0x45,
                                    .type_of_service = (uint8_t)(dscp << 2),
                                    .time_to_live = (uint8_t)from->hop_limit,
                                    .next_proto_id = protocol,
                                    .fragment_offset = strcmp(from->df, "set") == 0 ? htons(RTE_IPV4_HDR_DF_FLAG) : 0};
    memcpy(&header->src_addr, sa->source.octets, 4);
    memcpy(&header->dst_addr, sa->destination.octets, 4);
    return IPV4_HEADER;
}

/* `number`: outbound, the next one to be sent; inbound, the highest one that was received. */
static void fill_parameters(struct rte_ipsec_sa_prm *parameters, const struct espproof_sa *from, const struct sa *sa,
                            bool inbound, uint64_t number, struct transforms *transforms, uint8_t *template)
{
    uint8_t inner = sa->inner_ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
    *parameters = (struct rte_ipsec_sa_prm){.crypto_xform = transforms->first};
    struct rte_security_ipsec_xform *xform = &parameters->ipsec_xform;
    xform->spi = from->spi;
    xform->salt = transforms->salt;
    xform->options.esn = from->esn;
    xform->options.udp_encap = from->udp && !inbound && (from->tunnel || sa->library_has_udp);
    xform->options.copy_dscp = !inbound && from->dscp < 0; /* inbound it would change the inner packet */
    xform->options.copy_df = !inbound && strcmp(from->df, "copy") == 0;
    xform->options.ecn = inbound || !from->ecn_compatibility; /* compatibility is a mode of senders */
    xform->direction = inbound ? RTE_SECURITY_IPSEC_SA_DIR_INGRESS : RTE_SECURITY_IPSEC_SA_DIR_EGRESS;
    xform->proto = RTE_SECURITY_IPSEC_SA_PROTO_ESP;
    xform->replay_win_sz = inbound ? from->replay_window : 0;
    xform->esn.value = number;
    xform->udp.sport = from->udp_source_port;
    xform->udp.dport = from->udp_destination_port;
    if (from->tunnel) {
        xform->mode = RTE_SECURITY_IPSEC_SA_MODE_TUNNEL;
        xform->tunnel.type = sa->ipv6 ? RTE_SECURITY_IPSEC_TUNNEL_IPV6 : RTE_SECURITY_IPSEC_TUNNEL_IPV4;
        parameters->tun.hdr_len = (uint8_t)fill_template(from, sa, template);
        parameters->tun.hdr = template;
        parameters->tun.next_proto = inner;
    } else {
        xform->mode = RTE_SECURITY_IPSEC_SA_MODE_TRANSPORT;
        parameters->trs.proto = inner;
    }
}

static void session_close(const struct engine *engine, struct rte_ipsec_session *session)
{
    if (session->crypto.ses != NULL)
        rte_cryptodev_sym_session_free(engine->device, session->crypto.ses);
    if (session->sa != NULL) {
        rte_ipsec_sa_fini(session->sa);
        rte_free(session->sa);
    }
    *session = (struct rte_ipsec_session){0};
}

/* An SA of rte_ipsec with its crypto session. NULL, or what refused it. */
static const char *session_open(struct engine *engine, const struct rte_ipsec_sa_prm *parameters, bool cpu,
                                struct rte_ipsec_session *session)
{
    *session = (struct rte_ipsec_session){
        .type = cpu ? RTE_SECURITY_ACTION_TYPE_CPU_CRYPTO : RTE_SECURITY_ACTION_TYPE_NONE,
        .crypto.dev_id = engine->device,
    };
    int size = rte_ipsec_sa_size(parameters);
    const char *problem = size < 0 ? "rte_ipsec_sa_size" : NULL;
    if (problem == NULL && (session->sa = rte_zmalloc(NULL, (size_t)size, RTE_CACHE_LINE_SIZE)) == NULL)
        problem = "rte_zmalloc";
    if (problem == NULL && rte_ipsec_sa_init(session->sa, parameters, (uint32_t)size) < 0)
        problem = "rte_ipsec_sa_init";
    if (problem == NULL &&
        (session->crypto.ses = rte_cryptodev_sym_session_create(engine->device, parameters->crypto_xform,
                                                                engine->sessions)) == NULL)
        problem = "rte_cryptodev_sym_session_create";
    if (problem == NULL && rte_ipsec_session_prepare(session) != 0)
        problem = "rte_ipsec_session_prepare";
    if (problem != NULL)
        session_close(engine, session);
    return problem;
}

/* ------------------------------------------------------------------------------------------------------ starting state */

/* An authentic packet with this number, made by rte_ipsec as the sender of the SA. False if it cannot. */
static bool receive_number(struct shim *shim, struct sa *sa, const struct espproof_sa *from, uint64_t number)
{
    static const uint8_t nothing[IPV6_HEADER] = {0x60}, nothing4[IPV4_HEADER] = {0x45, 0, 0, IPV4_HEADER};
    /* rte_ipsec does not send 2^32 - 1 without ESN: that number is written over the one before */
    bool last = !from->esn && number == UINT32_MAX;
    struct transforms transforms;
    struct espproof_answer answer = {0};
    struct rte_ipsec_sa_prm parameters;
    struct rte_ipsec_session sender;
    uint8_t template[IPV6_HEADER];
    struct rte_mbuf *buffer =
        engine_buffer(&shim->engine, sa->inner_ipv6 ? nothing : nothing4, sa->inner_ipv6 ? IPV6_HEADER : IPV4_HEADER);
    if (buffer == NULL ||
        transforms_make(from, false, ENGINE_IV_OFFSET, shim->engine.device, &transforms, &answer) != ESPPROOF_DONE)
        return false;
    fill_parameters(&parameters, from, sa, false, number - last, &transforms, template);
    if (session_open(&shim->engine, &parameters, false, &sender) != NULL)
        return false;
    buffer->l3_len = sa->tunnel ? 0 : buffer->data_len;
    struct rte_crypto_op *operation;
    bool good = engine_prepare(&shim->engine, &sender, &buffer, &operation, 1) == 1;
    size_t headers = buffer->l3_len;
    if (sa->tunnel)
        headers = parameters.tun.hdr_len + (size_t)(from->udp ? UDP_HEADER : 0);
    if (good && last) {
        static const uint8_t ones[4] = {0xff, 0xff, 0xff, 0xff};
        memcpy(rte_pktmbuf_mtod_offset(buffer, uint8_t *, headers + 4), ones, 4);
        if (transforms.first->type == RTE_CRYPTO_SYM_XFORM_AEAD)
            memcpy(operation->sym->aead.aad.data + transforms_aad_sequence(&transforms), ones, 4);
    }
    good = good && engine_finish(&shim->engine, &buffer, &operation, 1) == 1;
    rte_crypto_op_free(operation);
    session_close(&shim->engine, &sender);
    if (from->udp && sa->tunnel) {
        headers -= UDP_HEADER;
        packet_decapsulate(rte_pktmbuf_mtod(buffer, uint8_t *), headers);
        rte_pktmbuf_adj(buffer, UDP_HEADER);
    }
    buffer->l2_len = 0;
    buffer->l3_len = headers;
    buffer->ol_flags = 0;
    good = good && engine_run(&shim->engine, &sa->session, &buffer, 1) == 1;
    rte_pktmbuf_free(buffer);
    return good;
}

/* rte_ipsec is told T, but not that T itself was received, nor which others were: these arrive. */
static bool set_window(struct shim *shim, struct sa *sa, const struct espproof_sa *from)
{
    bool good = from->sequence == 0 || from->replay_window == 0 || receive_number(shim, sa, from, from->sequence);
    for (size_t i = 0; good && i < from->received_offsets_count; i++)
        if (from->received_offsets[i] != 0)
            good = receive_number(shim, sa, from, from->sequence - from->received_offsets[i]);
    return good;
}

/* The number behind 2^64 - 1 cannot be told (0 means 1): the SA is given 2^64 - 1, and uses it up. */
static bool exhaust(struct shim *shim, struct sa *sa)
{
    static const uint8_t nothing[IPV6_HEADER] = {0x60}, nothing4[IPV4_HEADER] = {0x45, 0, 0, IPV4_HEADER};
    struct rte_mbuf *buffer =
        engine_buffer(&shim->engine, sa->inner_ipv6 ? nothing : nothing4, sa->inner_ipv6 ? IPV6_HEADER : IPV4_HEADER);
    if (buffer == NULL)
        return false;
    buffer->l3_len = sa->tunnel ? 0 : buffer->data_len;
    bool good = engine_run(&shim->engine, &sa->session, &buffer, 1) == 1;
    rte_pktmbuf_free(buffer);
    return good;
}

/* ------------------------------------------------------------------------------------------------------ SA operations */

static void forget(struct shim *shim, struct sa *sa)
{
    if (sa->inbound)
        sad_delete(&shim->sad, &sa->key);
    session_close(&shim->engine, &sa->session);
    sa->used = false;
}

static void reset(void *context)
{
    struct shim *shim = context;
    for (size_t i = 0; i < shim->used; i++)
        if (shim->sas[i].used)
            forget(shim, &shim->sas[i]);
    shim->used = 0;
}

static bool has_limit(const struct espproof_lifetime *lifetime)
{
    const uint64_t none = ESPPROOF_NO_LIMIT;
    return lifetime->soft_packets != none || lifetime->hard_packets != none || lifetime->soft_octets != none ||
           lifetime->hard_octets != none || lifetime->soft_seconds != none || lifetime->hard_seconds != none;
}

/* What rte_ipsec cannot be asked for, and SAs that have something of another. */
static enum espproof_result describe(struct shim *shim, const struct espproof_sa *from, struct sa *sa,
                                     struct espproof_answer *answer)
{
    *sa = (struct sa){.inbound = from->inbound,
                      .tunnel = from->tunnel,
                      .udp = from->udp,
                      .library_has_udp = shim->udp,
                      .udp_source_port = from->udp_source_port,
                      .udp_destination_port = from->udp_destination_port,
                      .ipv6 = strchr(from->destination, ':') != NULL};
    int family = sa->ipv6 ? AF_INET6 : AF_INET;
    sa->inner_ipv6 = sa->ipv6 != (from->tunnel && shim->crossed);
    if (strlen(from->name) > MAX_NAME || sa_named(shim, from->name) != NULL)
        return no(ESPPROOF_REFUSED, "the name is in use, or too long", answer);
    strcpy(sa->name, from->name);
    if (inet_pton(family, from->source, sa->source.octets) != 1 ||
        inet_pton(family, from->destination, sa->destination.octets) != 1)
        return no(ESPPROOF_REFUSED, "addresses that are none, or of two families", answer);
    if (strcmp(from->protocol, "esp") != 0)
        return no(ESPPROOF_UNSUPPORTED, "protocol ah", answer);
    if (!survival_of(&shim->survival, from->auth))
        return no(ESPPROOF_UNSUPPORTED, "the driver dies with this integrity algorithm", answer);
    bool gmac = strcmp(from->encr, "ENCR_NULL_AUTH_AES_GMAC") == 0;
    if (!shim->gmac && gmac && (from->esn || shim->cpu))
        return no(ESPPROOF_UNSUPPORTED, "AES-GMAC with ESN, or on the CPU path", answer);
    if (shim->gmac && (!gmac || from->inbound))
        return no(ESPPROOF_UNSUPPORTED, "anything but outbound AES-GMAC", answer);
    if (shim->udp && from->inbound)
        return no(ESPPROOF_UNSUPPORTED, "direction in", answer);
    if (from->replay_window > MAX_WINDOW)
        return no(ESPPROOF_UNSUPPORTED, "replay window", answer);
    if (!sad_knows(from->lookup))
        return no(ESPPROOF_UNSUPPORTED, "lookup", answer);
    if (from->selectors_count != 0 || from->resync_limit != 0)
        return no(ESPPROOF_UNSUPPORTED, "selectors, resynchronisation", answer);
    if (has_limit(&from->lifetime))
        return no(ESPPROOF_UNSUPPORTED, "lifetime", answer);
    sa->key = sad_key_of(sa->ipv6, from->spi, sa->source.octets, sa->destination.octets, from->lookup);
    if (sa->inbound && key_is_taken(shim, sa))
        return no(ESPPROOF_REFUSED, "SPI and addresses are another SA's", answer);
    return ESPPROOF_DONE;
}

static enum espproof_result add_sa(void *context, const struct espproof_sa *from, struct espproof_answer *answer)
{
    struct shim *shim = context;
    struct sa sa, *place = free_place(shim);
    struct transforms transforms;
    struct rte_ipsec_sa_prm parameters;
    uint8_t template[IPV6_HEADER];
    if (place == NULL)
        return no(ESPPROOF_UNSUPPORTED, "more SAs", answer);
    enum espproof_result result = describe(shim, from, &sa, answer);
    if (result == ESPPROOF_DONE)
        result = transforms_make(from, from->inbound, ENGINE_IV_OFFSET, shim->engine.device, &transforms, answer);
    if (result != ESPPROOF_DONE)
        return result;
    bool exhausted = !from->inbound && from->sequence == UINT64_MAX;
    uint64_t number = from->inbound || exhausted ? from->sequence : from->sequence + 1;
    fill_parameters(&parameters, from, &sa, from->inbound, number, &transforms, template);
    const char *problem = session_open(&shim->engine, &parameters, shim->cpu, &sa.session);
    if (problem != NULL)
        return no(ESPPROOF_REFUSED, problem, answer);
    *place = sa; /* the crypto session knows the address of the session: where it stays, it is prepared again */
    rte_ipsec_session_prepare(&place->session);
    place->used = true;
    if (place->inbound && !sad_add(&shim->sad, &place->key, place)) {
        forget(shim, place);
        return no(ESPPROOF_REFUSED, "rte_ipsec_sad_add", answer);
    }
    if (from->inbound ? !set_window(shim, place, from) : exhausted && !exhaust(shim, place)) {
        forget(shim, place);
        bool unsendable = from->sequence >= UINT64_MAX - 4; /* for the sender that sets the state, see exhaust() */
        return no(unsendable ? ESPPROOF_UNSUPPORTED : ESPPROOF_REFUSED, "this starting state", answer);
    }
    return ESPPROOF_DONE;
}

static enum espproof_result delete_sa(void *context, const char *name, struct espproof_answer *answer)
{
    struct sa *sa = sa_named(context, name);
    if (sa == NULL)
        return no(ESPPROOF_REFUSED, "no such SA", answer);
    forget(context, sa);
    return ESPPROOF_DONE;
}

/* ------------------------------------------------------------------------------------------------------------ packets */

/* Packets for one SA, on their way to rte_ipsec. A buffer's user tag is the packet's index in results and answers. */
struct run {
    struct sa *sa;
    uint16_t count;
    struct rte_mbuf *buffers[ENGINE_BURST];
};

static void tell(const struct sa *sa, struct rte_mbuf *buffer, enum espproof_result *result,
                 struct espproof_answer *answer)
{
    if (!sa->inbound && !sa->tunnel && sa->udp && !sa->library_has_udp) {
        uint8_t *whole = (uint8_t *)rte_pktmbuf_prepend(buffer, UDP_HEADER);
        packet_encapsulate(whole, buffer->data_len - UDP_HEADER, sa->udp_source_port, sa->udp_destination_port);
    }
    uint8_t *made = rte_pktmbuf_mtod(buffer, uint8_t *);
    if (!sa->inbound || !sa->tunnel)
        packet_set_checksum(made, buffer->data_len);
    memcpy(answer->packet, made, buffer->data_len);
    answer->size = buffer->data_len;
    answer->sa = sa->name;
    *result = sa->inbound ? ESPPROOF_DELIVERED : ESPPROOF_SENT;
}

static void flush(struct shim *shim, struct run *run, enum espproof_result *results, struct espproof_answer *answers)
{
    struct rte_mbuf *all[ENGINE_BURST];
    if (run->count == 0)
        return;
    memcpy(all, run->buffers, run->count * sizeof *all);
    uint16_t good = engine_run(&shim->engine, &run->sa->session, run->buffers, run->count);
    for (uint16_t i = 0; i < good; i++) {
        uint32_t index = run->buffers[i]->hash.usr;
        tell(run->sa, run->buffers[i], &results[index], &answers[index]);
    }
    rte_pktmbuf_free_bulk(all, run->count);
    run->count = 0;
}

/* The packet joins the run, or opens a new one if it is for another SA. `headers`: octets in front of ESP. */
static void join(struct shim *shim, struct run *run, struct sa *sa, const uint8_t *octets, size_t size, size_t headers,
                 size_t index, enum espproof_result *results, struct espproof_answer *answers)
{
    struct rte_mbuf *buffer;
    if (run->sa != sa || run->count == ENGINE_BURST)
        flush(shim, run, results, answers);
    run->sa = sa;
    if (headers >= 1u << RTE_MBUF_L3_LEN_BITS || (buffer = engine_buffer(&shim->engine, octets, size)) == NULL) {
        answers[index].reason = "too-big";
        return;
    }
    if (sa->inbound && sa->udp) {
        headers -= UDP_HEADER;
        packet_decapsulate(rte_pktmbuf_mtod(buffer, uint8_t *), headers);
        rte_pktmbuf_adj(buffer, UDP_HEADER);
    }
    buffer->l2_len = 0;
    buffer->l3_len = headers;
    buffer->hash.usr = (uint32_t)index;
    run->buffers[run->count++] = buffer;
}

static bool is_encapsulation_port(const struct shim *shim, uint16_t port)
{
    for (size_t i = 0; i < shim->used; i++) {
        const struct sa *sa = &shim->sas[i];
        if (sa->used && sa->inbound && sa->udp && sa->udp_destination_port == port)
            return true;
    }
    return false;
}

/* Where ESP begins and ends in a packet from the network; DELIVERED if there is any, else what becomes of the packet. */
static enum espproof_result locate_esp(const struct shim *shim, const struct packet *packet, size_t *begin, size_t *end,
                                       const char **reason)
{
    struct datagram datagram;
    bool udp = packet->protocol == PROTOCOL_UDP;
    if (packet->protocol != PROTOCOL_ESP && !udp)
        return ESPPROOF_PASSED_BYPASS;
    *reason = "fragment";
    if (packet->fragment)
        return udp ? ESPPROOF_PASSED_BYPASS : ESPPROOF_DROPPED;
    *reason = "malformed";
    *begin = packet->upper;
    *end = packet->size;
    if (udp) {
        if (!datagram_read(packet, &datagram))
            return ESPPROOF_DROPPED;
        if (!is_encapsulation_port(shim, datagram.destination_port))
            return ESPPROOF_PASSED_BYPASS;
        *begin = datagram.payload;
        *end = datagram.end;
        if (*end - *begin == 1 && packet->at[*begin] == 0xff) {
            *reason = "keepalive";
            return ESPPROOF_DROPPED;
        }
        if (*end - *begin >= 4 && memcmp(packet->at + *begin, "\0\0\0\0", 4) == 0)
            return ESPPROOF_PASSED_IKE;
    }
    return *end - *begin < MIN_ESP ? ESPPROOF_DROPPED : ESPPROOF_DELIVERED;
}

/* A packet from the network; ESP in it is between `begin` and `end`, if it has any. */
struct arrival {
    struct packet packet;
    size_t begin, end;
};

/* What becomes of packets without a look at any SA; those with ESP, in their order, ask for theirs. How many these are. */
static size_t read_arrivals(const struct shim *shim, const struct espproof_octets *packets, size_t count,
                            struct arrival *arrivals, struct sad_question *questions, enum espproof_result *results,
                            struct espproof_answer *answers)
{
    size_t asking = 0;
    for (size_t i = 0; i < count; i++) {
        struct arrival *one = &arrivals[i];
        results[i] = ESPPROOF_DROPPED;
        answers[i].reason = "malformed";
        if (!packet_read(packets[i].at, packets[i].size, &one->packet))
            continue;
        results[i] = locate_esp(shim, &one->packet, &one->begin, &one->end, &answers[i].reason);
        if (results[i] == ESPPROOF_DELIVERED)
            questions[asking++] = (struct sad_question){&one->packet, one->packet.at + one->begin};
    }
    return asking;
}

static void inbound_burst(void *context, const struct espproof_octets *packets, size_t count,
                          enum espproof_result *results, struct espproof_answer *answers)
{
    struct shim *shim = context;
    struct run run = {0};
    struct arrival *arrivals = calloc(count + 1, sizeof *arrivals);
    struct sad_question *questions = calloc(count + 1, sizeof *questions);
    void **found = calloc(count + 1, sizeof *found);
    if (arrivals == NULL || questions == NULL || found == NULL)
        abort();
    size_t asking = read_arrivals(shim, packets, count, arrivals, questions, results, answers);
    sad_find(&shim->sad, questions, found, asking);
    for (size_t i = 0, next = 0; i < count; i++) {
        if (results[i] != ESPPROOF_DELIVERED)
            continue;
        const struct arrival *one = &arrivals[i];
        struct sa *sa = found[next++];
        results[i] = ESPPROOF_DROPPED; /* until rte_ipsec has said otherwise */
        answers[i].reason = "no-sa";
        if (sa == NULL || sa->udp != (one->packet.protocol == PROTOCOL_UDP))
            continue;
        answers[i].reason = NULL;
        join(shim, &run, sa, one->packet.at, one->end, one->begin, i, results, answers);
    }
    flush(shim, &run, results, answers);
    free(arrivals);
    free(questions);
    free(found);
}

static void outbound_burst(void *context, const char *name, const struct espproof_octets *packets, size_t count,
                           enum espproof_result *results, struct espproof_answer *answers)
{
    struct shim *shim = context;
    struct run run = {0};
    struct sa *sa = sa_named(shim, name);
    for (size_t i = 0; i < count; i++) {
        struct packet packet;
        results[i] = ESPPROOF_DROPPED;
        answers[i].reason = "no-sa";
        if (sa == NULL || sa->inbound)
            continue;
        answers[i].reason = "malformed";
        if (!packet_read(packets[i].at, packets[i].size, &packet) || packet.ipv6 != sa->inner_ipv6)
            continue;
        answers[i].reason = NULL;
        join(shim, &run, sa, packet.at, packet.size, sa->tunnel ? 0 : packet.esp_here, i, results, answers);
    }
    flush(shim, &run, results, answers);
}

static enum espproof_result inbound(void *context, struct espproof_octets packet, struct espproof_answer *answer)
{
    enum espproof_result result;
    inbound_burst(context, &packet, 1, &result, answer);
    return result;
}

static enum espproof_result outbound(void *context, const struct espproof_outbound *request,
                                     struct espproof_answer *answer)
{
    enum espproof_result result;
    if (request->has_iv || request->tfc != 0 || request->dummy)
        return no(ESPPROOF_UNSUPPORTED, "iv, tfc, dummy", answer);
    outbound_burst(context, request->sa, &request->packet, 1, &result, answer);
    return result;
}

/* --------------------------------------------------------------------------------------------------------------- main */

static bool supports_cpu(const struct engine *engine)
{
    struct rte_cryptodev_info info;
    rte_cryptodev_info_get(engine->device, &info);
    return (info.feature_flags & RTE_CRYPTODEV_FF_SYM_CPU_CRYPTO) != 0;
}

int main(int argc, char **argv)
{
    static struct shim shim;
    if (argc < 2) {
        fputs("usage: shim DEVICE [cpu] [crossed] [gmac] [udp]\n", stderr);
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        shim.cpu = shim.cpu || strcmp(argv[i], "cpu") == 0;
        shim.crossed = shim.crossed || strcmp(argv[i], "crossed") == 0;
        shim.gmac = shim.gmac || strcmp(argv[i], "gmac") == 0;
        shim.udp = shim.udp || strcmp(argv[i], "udp") == 0;
    }
    /* DPDK and its libraries write to standard output as they like: answers go to a descriptor of their own */
    FILE *answers = fdopen(dup(STDOUT_FILENO), "w");
    if (answers == NULL || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return 2;
    if (!engine_start(&shim.engine, argv[0], argv[1]) || !sad_start(&shim.sad, MAX_SAS))
        return 2;
    if (shim.cpu && !supports_cpu(&shim.engine)) {
        fprintf(stderr, "%s has no CPU crypto\n", argv[1]);
        return 2;
    }
    if (shim.cpu)
        survival_try(&shim.survival, &shim.engine);
    char capabilities[2048], version[128];
    const char *limits = shim.gmac || shim.udp ? OUTBOUND : shim.crossed ? CROSSED : PLAIN;
    snprintf(capabilities, sizeof capabilities, CAPABILITIES, shim.gmac ? GMAC_ENCRYPTION : ENCRYPTION,
             shim.gmac ? GMAC_INTEGRITY : INTEGRITY, limits, ENGINE_PACKET);
    snprintf(version, sizeof version, "%s (%s%s)", rte_version(), shim.engine.driver, shim.cpu ? ", CPU crypto" : "");
    const struct espproof_implementation implementation = {
        .name = "rte_ipsec",
        .version = version,
        .capabilities = capabilities,
        .context = &shim,
        .reset = reset,
        .add_sa = add_sa,
        .delete_sa = delete_sa,
        .outbound = outbound,
        .inbound = inbound,
        .outbound_burst = outbound_burst,
        .inbound_burst = inbound_burst,
    };
    return espproof_serve(&implementation, stdin, answers);
}
