/* See inline.h. In this order: start, SAs, out, in. */
#define _GNU_SOURCE
#include "inline.h"

#include <arpa/inet.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_ip.h>
#include <rte_ipsec.h>
#include <rte_malloc.h>
#include <rte_security.h>
#include <rte_version.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "sad.h"

enum {
    PORT = 0,
    QUEUE = 0,
    DESCRIPTORS = 512,
    BUFFERS = 2047,
    DATA_ROOM = RTE_PKTMBUF_HEADROOM + 10240, /* a frame is in one buffer */
    GARBAGE = 0xa5,                           /* what buffers hold before they are filled */
    IPV4_HEADER = 20,
    IPV6_HEADER = 40,
    MIN_ESP = 8,
};
static const uint8_t PEER[RTE_ETHER_ADDR_LEN] = {0x02, 0, 0, 0, 0, 0x02};

struct inline_sa {
    bool inbound, tunnel, ipv6;
    uint8_t secret[16 + 4]; /* the salt behind the key, as the gateway has them: the driver reads it there alone */
    struct rte_crypto_sym_xform transform;
    struct rte_ipsec_session session;
    struct rte_flow *flow;
    struct sad_key key;
    bool findable;
};

static struct {
    struct rte_mempool *buffers, *sessions;
    struct rte_security_ctx *security;
    struct sad sad;
    int error;
} port;

/* ---------------------------------------------------------------------------------------------------------------- start */

int inline_error(void)
{
    return port.error;
}

static const char *failed(const char *what, int error)
{
    port.error = abs(error);
    return what;
}

static const char *start_environment(const char *program)
{
    cpu_set_t allowed;
    char cores[32];
    int first = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &allowed))
            first++;
    snprintf(cores, sizeof cores, "0@%d", first);
    const char *arguments[] = {program,        "--no-huge",      "--no-shconf", "--no-telemetry", "-m", "256",
                               "--iova-mode=va", "--lcores", cores,         "--log-level=*:error"};
    enum { COUNT = sizeof arguments / sizeof *arguments };
    char *copies[COUNT]; /* rte_eal_init() keeps and reorders them */
    for (size_t i = 0; i < COUNT; i++)
        copies[i] = strdup(arguments[i]);
    return rte_eal_init(COUNT, copies) < 0 ? failed("rte_eal_init", rte_errno) : NULL;
}

static const char *start_port(void)
{
    struct rte_eth_conf configuration = {
        .rxmode = {.mtu = INLINE_MTU, .offloads = RTE_ETH_RX_OFFLOAD_SECURITY},
        .txmode = {.offloads = RTE_ETH_TX_OFFLOAD_SECURITY | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM},
    };
    int error = rte_eth_dev_configure(PORT, 1, 1, &configuration);
    if (error != 0)
        return failed("rte_eth_dev_configure", error);
    if ((error = rte_eth_rx_queue_setup(PORT, QUEUE, DESCRIPTORS, SOCKET_ID_ANY, NULL, port.buffers)) != 0)
        return failed("rte_eth_rx_queue_setup", error);
    if ((error = rte_eth_tx_queue_setup(PORT, QUEUE, DESCRIPTORS, SOCKET_ID_ANY, NULL)) != 0)
        return failed("rte_eth_tx_queue_setup", error);
    return (error = rte_eth_dev_start(PORT)) != 0 ? failed("rte_eth_dev_start", error) : NULL;
}

const char *inline_start(const char *program)
{
    const char *problem = start_environment(program);
    if (problem != NULL)
        return problem;
    if (rte_eth_dev_count_avail() != 1)
        return failed("there is no port: net_ixgbe does not take the card", ENODEV);
    port.security = rte_eth_dev_get_sec_ctx(PORT);
    if (port.security == NULL)
        return failed("the port has no rte_security", ENOTSUP);
    port.buffers = rte_pktmbuf_pool_create("buffers", BUFFERS, 0, 0, DATA_ROOM, SOCKET_ID_ANY);
    port.sessions = rte_mempool_create("sessions", INLINE_SAS, rte_security_session_get_size(port.security), 0, 0, NULL,
                                       NULL, NULL, NULL, SOCKET_ID_ANY, 0);
    if (port.buffers == NULL || port.sessions == NULL || !sad_start(&port.sad, INLINE_SAS))
        return failed("pools", rte_errno);
    return start_port();
}

const char *inline_restart(void)
{
    int error = rte_eth_dev_stop(PORT);
    if (error != 0)
        return failed("rte_eth_dev_stop", error);
    return (error = rte_eth_dev_start(PORT)) != 0 ? failed("rte_eth_dev_start", error) : NULL;
}

/* ------------------------------------------------------------------------------------------------------------------ SAs */

/* The outer header that rte_ipsec copies in front of ESP. */
static uint8_t fill_template(const struct inline_request *from, uint8_t *at)
{
    if (from->ipv6) {
        struct rte_ipv6_hdr *header = (struct rte_ipv6_hdr *)at;
        *header = (struct rte_ipv6_hdr){.vtc_flow = htonl(6u << 28 | (uint32_t)from->dscp << 22),
                                        .proto = PROTOCOL_ESP,
                                        .hop_limits = from->hop_limit};
        memcpy(header->src_addr, from->source, 16);
        memcpy(header->dst_addr, from->destination, 16);
        return IPV6_HEADER;
    }
    struct rte_ipv4_hdr *header = (struct rte_ipv4_hdr *)at;
    *header = (struct rte_ipv4_hdr){.version_ihl = 0x45,
                                    .type_of_service = (uint8_t)(from->dscp << 2),
                                    .time_to_live = from->hop_limit,
                                    .next_proto_id = PROTOCOL_ESP,
                                    .fragment_offset = from->df == INLINE_DF_SET ? htons(RTE_IPV4_HDR_DF_FLAG) : 0};
    memcpy(&header->src_addr, from->source, 4);
    memcpy(&header->dst_addr, from->destination, 4);
    return IPV4_HEADER;
}

static struct rte_crypto_sym_xform transform_of(struct inline_sa *sa)
{
    return (struct rte_crypto_sym_xform){
        .type = RTE_CRYPTO_SYM_XFORM_AEAD,
        .aead = {.op = sa->inbound ? RTE_CRYPTO_AEAD_OP_DECRYPT : RTE_CRYPTO_AEAD_OP_ENCRYPT,
                 .algo = RTE_CRYPTO_AEAD_AES_GCM,
                 .key = {.data = sa->secret, .length = 16},
                 .iv = {.offset = 0, .length = 12},
                 .digest_length = 16,
                 .aad_length = 8},
    };
}

/* Both of rte_ipsec and of rte_security; the driver does not look at most of it. */
static struct rte_security_ipsec_xform ipsec_of(const struct inline_request *from)
{
    struct rte_security_ipsec_xform made = {
        .spi = from->spi,
        .direction = from->inbound ? RTE_SECURITY_IPSEC_SA_DIR_INGRESS : RTE_SECURITY_IPSEC_SA_DIR_EGRESS,
        .proto = RTE_SECURITY_IPSEC_SA_PROTO_ESP,
        .mode = from->tunnel ? RTE_SECURITY_IPSEC_SA_MODE_TUNNEL : RTE_SECURITY_IPSEC_SA_MODE_TRANSPORT,
        .replay_win_sz = from->inbound ? from->window : 0,
        .esn.value = from->number,
        .tunnel.type = from->ipv6 ? RTE_SECURITY_IPSEC_TUNNEL_IPV6 : RTE_SECURITY_IPSEC_TUNNEL_IPV4,
    };
    memcpy(&made.salt, from->salt, sizeof made.salt);
    made.options.copy_dscp = !from->inbound && from->dscp_copied;
    made.options.copy_df = !from->inbound && from->df == INLINE_DF_COPY;
    made.options.ecn = from->inbound || from->ecn_normal;
    return made;
}

static const char *make_rte_ipsec(struct inline_sa *sa, const struct inline_request *from)
{
    uint8_t template[IPV6_HEADER], inner = from->ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
    struct rte_ipsec_sa_prm parameters = {.crypto_xform = &sa->transform, .ipsec_xform = ipsec_of(from)};
    if (sa->tunnel) {
        parameters.tun.hdr_len = fill_template(from, template);
        parameters.tun.hdr = template;
        parameters.tun.next_proto = inner;
    } else {
        parameters.trs.proto = inner;
    }
    int size = rte_ipsec_sa_size(&parameters);
    if (size < 0)
        return failed("rte_ipsec_sa_size", size);
    if ((sa->session.sa = rte_zmalloc(NULL, (size_t)size, RTE_CACHE_LINE_SIZE)) == NULL)
        return failed("rte_zmalloc", ENOMEM);
    size = rte_ipsec_sa_init(sa->session.sa, &parameters, (uint32_t)size);
    return size < 0 ? failed("rte_ipsec_sa_init", size) : NULL;
}

/* The flags that the driver wants of packets of this direction and mode. */
static uint32_t flags_of(const struct inline_sa *sa, const struct rte_security_ipsec_xform *ipsec)
{
    const struct rte_security_capability *one = rte_security_capabilities_get(port.security);
    for (; one != NULL && one->action != RTE_SECURITY_ACTION_TYPE_NONE; one++)
        if (one->action == sa->session.type && one->protocol == RTE_SECURITY_PROTOCOL_IPSEC &&
            one->ipsec.mode == ipsec->mode && one->ipsec.direction == ipsec->direction)
            return one->ol_flags;
    return 0;
}

static const char *make_security(struct inline_sa *sa, const struct inline_request *from)
{
    struct rte_security_session_conf configuration = {
        .action_type = sa->session.type,
        .protocol = RTE_SECURITY_PROTOCOL_IPSEC,
        .ipsec = ipsec_of(from),
        .crypto_xform = &sa->transform,
    };
    sa->session.security.ctx = port.security;
    sa->session.security.ol_flags = flags_of(sa, &configuration.ipsec);
    sa->session.security.ses = rte_security_session_create(port.security, &configuration, port.sessions);
    return sa->session.security.ses == NULL ? failed("rte_security_session_create", rte_errno) : NULL;
}

/* An inbound SA becomes the driver's by a rule about its packets. The driver's rte_flow_validate() is not asked: it puts
 * the SA into the card, and this once more. */
static const char *make_rule(struct inline_sa *sa, const struct inline_request *from)
{
    struct rte_flow_item_ipv4 ipv4 = {0};
    struct rte_flow_item_ipv6 ipv6 = {0};
    struct rte_flow_item_esp esp = {.hdr.spi = htonl(from->spi)};
    struct rte_flow_error error = {0};
    memcpy(&ipv4.hdr.src_addr, from->source, 4);
    memcpy(&ipv4.hdr.dst_addr, from->destination, 4);
    memcpy(ipv6.hdr.src_addr, from->source, 16);
    memcpy(ipv6.hdr.dst_addr, from->destination, 16);
    const struct rte_flow_item pattern[] = {
        {.type = RTE_FLOW_ITEM_TYPE_ETH},
        from->ipv6 ? (struct rte_flow_item){RTE_FLOW_ITEM_TYPE_IPV6, &ipv6, NULL, &rte_flow_item_ipv6_mask}
                   : (struct rte_flow_item){RTE_FLOW_ITEM_TYPE_IPV4, &ipv4, NULL, &rte_flow_item_ipv4_mask},
        {RTE_FLOW_ITEM_TYPE_ESP, &esp, NULL, &rte_flow_item_esp_mask},
        {.type = RTE_FLOW_ITEM_TYPE_END},
    };
    const struct rte_flow_action actions[] = {
        {RTE_FLOW_ACTION_TYPE_SECURITY, sa->session.security.ses},
        {.type = RTE_FLOW_ACTION_TYPE_END},
    };
    const struct rte_flow_attr attributes = {.ingress = 1};
    sa->flow = rte_flow_create(PORT, &attributes, pattern, actions, &error);
    return sa->flow == NULL ? failed("rte_flow_create", rte_errno) : NULL;
}

static const char *make(struct inline_sa *sa, const struct inline_request *from)
{
    const char *problem = make_rte_ipsec(sa, from);
    if (problem == NULL)
        problem = make_security(sa, from);
    if (problem == NULL && sa->inbound)
        problem = make_rule(sa, from);
    if (problem == NULL && rte_ipsec_session_prepare(&sa->session) != 0)
        problem = failed("rte_ipsec_session_prepare", EINVAL);
    if (problem == NULL && sa->inbound) {
        sa->key = sad_key_of(sa->ipv6, from->spi, from->source, from->destination, "spi+destination");
        sa->findable = sad_add(&port.sad, &sa->key, sa);
        if (!sa->findable)
            problem = failed("rte_ipsec_sad_add", ENOSPC);
    }
    return problem;
}

struct inline_sa *inline_add(const struct inline_request *request, const char **problem)
{
    struct inline_sa *sa = rte_zmalloc(NULL, sizeof *sa, RTE_CACHE_LINE_SIZE);
    if (sa == NULL) {
        *problem = failed("rte_zmalloc", ENOMEM);
        return NULL;
    }
    sa->inbound = request->inbound;
    sa->tunnel = request->tunnel;
    sa->ipv6 = request->ipv6;
    memcpy(sa->secret, request->key, 16);
    memcpy(sa->secret + 16, request->salt, 4);
    sa->transform = transform_of(sa);
    sa->session.type = RTE_SECURITY_ACTION_TYPE_INLINE_CRYPTO;
    *problem = make(sa, request);
    if (*problem == NULL)
        return sa;
    int error = port.error;
    inline_delete(sa);
    port.error = error;
    return NULL;
}

const char *inline_delete(struct inline_sa *sa)
{
    struct rte_flow_error told;
    const char *problem = NULL;
    int error = 0;
    if (sa->findable)
        sad_delete(&port.sad, &sa->key);
    if (sa->flow != NULL)
        rte_flow_destroy(PORT, sa->flow, &told); /* the driver says of its own rule that it does not know it */
    if (sa->session.security.ses != NULL &&
        (error = rte_security_session_destroy(port.security, sa->session.security.ses)) != 0)
        problem = failed("rte_security_session_destroy", error);
    if (sa->session.sa != NULL) {
        rte_ipsec_sa_fini(sa->session.sa);
        rte_free(sa->session.sa);
    }
    memset(sa->secret, 0, sizeof sa->secret);
    rte_free(sa);
    return problem;
}

/* ------------------------------------------------------------------------------------------------------------------ out */

static struct rte_mbuf *filled(const uint8_t *octets, size_t size)
{
    struct rte_mbuf *buffer = rte_pktmbuf_alloc(port.buffers);
    if (buffer != NULL) {
        memset(buffer->buf_addr, GARBAGE, buffer->buf_len);
        memcpy(rte_pktmbuf_append(buffer, (uint16_t)size), octets, size);
    }
    return buffer;
}

/* Ethernet around what rte_ipsec has made, and what the card is to do besides the cipher. */
static void frame(struct rte_mbuf *buffer, bool ipv6)
{
    struct rte_ether_hdr *header =
        (struct rte_ether_hdr *)rte_pktmbuf_prepend(buffer, (uint16_t)sizeof(struct rte_ether_hdr));
    memcpy(&header->dst_addr, PEER, sizeof PEER);
    rte_eth_macaddr_get(PORT, &header->src_addr);
    header->ether_type = htons(ipv6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
    buffer->l2_len = sizeof *header;
    buffer->l3_len = ipv6 ? IPV6_HEADER : IPV4_HEADER;
    if (ipv6) {
        buffer->ol_flags |= RTE_MBUF_F_TX_IPV6;
        return;
    }
    buffer->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
    ((struct rte_ipv4_hdr *)(header + 1))->hdr_checksum = 0;
}

const char *inline_send(struct inline_sa *sa, const uint8_t *octets, size_t size)
{
    struct packet packet;
    if (!packet_read(octets, size, &packet) || packet.ipv6 != sa->ipv6)
        return "malformed";
    if (size > INLINE_PACKET)
        return "too-big";
    struct rte_mbuf *buffer = filled(octets, packet.size);
    if (buffer == NULL)
        return "no buffer";
    buffer->l2_len = 0;
    buffer->l3_len = sa->tunnel ? 0 : packet.esp_here;
    const char *problem = NULL;
    if (rte_ipsec_pkt_process(&sa->session, &buffer, 1) != 1)
        problem = "rte_ipsec";
    if (problem == NULL) {
        frame(buffer, sa->ipv6);
        if (rte_eth_tx_burst(PORT, QUEUE, &buffer, 1) == 1)
            return NULL;
        problem = "rte_eth_tx_burst";
    }
    rte_pktmbuf_free(buffer);
    return problem;
}

/* ------------------------------------------------------------------------------------------------------------------- in */

/* Arrivals whose buffers are still somebody's. */
static struct rte_mbuf *kept[INLINE_BURST];
static uint16_t kept_count;

/* Where ESP is, of what a buffer holds behind its Ethernet header; else what becomes of it. */
static int locate(struct rte_mbuf *buffer, struct packet *packet, const char **reason)
{
    *reason = "malformed";
    if (rte_pktmbuf_adj(buffer, sizeof(struct rte_ether_hdr)) == NULL ||
        !packet_read(rte_pktmbuf_mtod(buffer, uint8_t *), buffer->pkt_len, packet))
        return INLINE_DROPPED;
    rte_pktmbuf_trim(buffer, (uint16_t)(buffer->pkt_len - packet->size));
    if (packet->protocol != PROTOCOL_ESP)
        return INLINE_BYPASS;
    *reason = "fragment";
    if (packet->fragment)
        return INLINE_DROPPED;
    *reason = "malformed";
    return packet->size - packet->upper < MIN_ESP ? INLINE_DROPPED : INLINE_DELIVERED;
}

/* Buffers for one SA, in their order, through rte_ipsec; a buffer's user tag is its place among the arrivals. */
static void process(struct inline_sa *sa, struct rte_mbuf **buffers, uint16_t count, struct inline_arrival *arrivals)
{
    struct rte_mbuf *order[INLINE_BURST];
    memcpy(order, buffers, count * sizeof *order);
    uint16_t good = rte_ipsec_pkt_process(&sa->session, order, count);
    for (uint16_t i = 0; i < good; i++) {
        struct inline_arrival *one = &arrivals[order[i]->hash.usr];
        uint8_t *made = rte_pktmbuf_mtod(order[i], uint8_t *);
        if (!sa->tunnel)
            packet_set_checksum(made, order[i]->data_len);
        *one = (struct inline_arrival){made, order[i]->data_len, sa, NULL, INLINE_DELIVERED};
    }
}

size_t inline_receive(struct inline_arrival *arrivals)
{
    struct packet packets[INLINE_BURST];
    struct sad_question questions[INLINE_BURST];
    struct rte_mbuf *esp[INLINE_BURST];
    void *found[INLINE_BURST] = {NULL};
    uint16_t asking = 0;
    rte_pktmbuf_free_bulk(kept, kept_count);
    kept_count = rte_eth_rx_burst(PORT, QUEUE, kept, INLINE_BURST);
    for (uint16_t i = 0; i < kept_count; i++) {
        struct inline_arrival *one = &arrivals[i];
        *one = (struct inline_arrival){0};
        one->what = locate(kept[i], &packets[i], &one->reason);
        one->octets = rte_pktmbuf_mtod(kept[i], const uint8_t *);
        one->size = kept[i]->data_len;
        if (one->what != INLINE_DELIVERED)
            continue;
        one->what = INLINE_DROPPED; /* until rte_ipsec has said otherwise */
        one->reason = NULL;
        kept[i]->l2_len = 0;
        kept[i]->l3_len = packets[i].upper;
        kept[i]->hash.usr = i;
        esp[asking] = kept[i];
        questions[asking++] = (struct sad_question){&packets[i], packets[i].at + packets[i].upper};
    }
    sad_find(&port.sad, questions, found, asking);
    for (uint16_t i = 0, first = 0; i < asking; first = i) {
        while (i < asking && found[i] == found[first])
            i++;
        if (found[first] != NULL)
            process(found[first], esp + first, i - first, arrivals);
        else
            for (uint16_t n = first; n < i; n++)
                arrivals[esp[n]->hash.usr].reason = "no-sa";
    }
    return kept_count;
}
