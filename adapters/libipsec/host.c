/* A policy of a case is one of libipsec, which leads to SAs by their request id. What libipsec has no word for is not
 * supported: other actions than to protect, several templates, SPIs in them, ICMP errors, marks, the request id 0, which
 * charon never gives. There are as many priorities as charon uses.
 */
#define _GNU_SOURCE
#include "host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipv.h"

enum { PRIORITIES = 4, ANY_PROTOCOL = 0, ICMP = 1, ICMPV6 = 58, LAST_PORT = 65535 };

struct policy {
    struct policy *next;
    char *name;
    traffic_selector_t *from, *to;
    host_t *ends[2];
    ipsec_sa_cfg_t leads_to;
    int direction, priority;
};

struct event {
    const char *kind;
    char *sa;
};

static const mark_t no_mark = {0, 0};

static struct {
    struct associations *associations;
    struct policy *policies;
    struct ipv_addresses ours, wire;
    struct event *events;
    size_t events_count;
    bool key_manager;
    struct espproof_told *emerged; /* of the packet that is on its way */
    chunk_t inside;                /* what has come out of a tunnel, not yet passed on */
} host;

static enum espproof_result no(enum espproof_result result, const char *why, struct espproof_answer *answer)
{
    answer->reason = why;
    return result;
}

/* ------------------------------------------------------------------------------------------------------------- start */

static void forget(struct policy *policy)
{
    for (int i = 0; i < 2; i++)
        if (policy->ends[i] != NULL)
            policy->ends[i]->destroy(policy->ends[i]);
    if (policy->from != NULL)
        policy->from->destroy(policy->from);
    if (policy->to != NULL)
        policy->to->destroy(policy->to);
    free(policy->name);
    free(policy);
}

static void flush_policies(void *context)
{
    struct associations *associations = context;
    instance_use(&associations->gateway);
    ipsec->policies->flush_policies(ipsec->policies);
    while (host.policies != NULL) {
        struct policy *policy = host.policies;
        host.policies = policy->next;
        forget(policy);
    }
}

static void forget_events(void)
{
    for (size_t i = 0; i < host.events_count; i++)
        free(host.events[i].sa);
    free(host.events);
    host.events = NULL;
    host.events_count = 0;
}

void host_reset(void)
{
    flush_policies(host.associations);
    forget_events();
    ipv_forget(&host.ours);
    ipv_forget(&host.wire);
    host.associations->is_gateway = false;
    host.key_manager = false;
}

static void flush_sas(void *context)
{
    associations_flush(context);
}

static enum espproof_result configure(void *context, const struct espproof_host *asked, struct espproof_answer *answer)
{
    struct associations *associations = context;
    if (asked->forward)
        return no(ESPPROOF_UNSUPPORTED, "policies for what is forwarded", answer);
    if (!asked->blocks_in || !asked->blocks_out)
        return no(ESPPROOF_UNSUPPORTED, "packets that pass without a policy", answer);
    if (asked->holds != 0)
        return no(ESPPROOF_UNSUPPORTED, "holds", answer);
    if (asked->mtu_wire || asked->mtu_plain || strcmp(asked->fragments, "outside") != 0)
        return no(ESPPROOF_UNSUPPORTED, "mtus", answer);
    if (!ipv_read_all(&host.ours, asked->addresses, asked->addresses_count) ||
        !ipv_read_all(&host.wire, asked->wire, asked->wire_count))
        return no(ESPPROOF_REFUSED, "an address that is none", answer);
    associations->is_gateway = true;
    host.key_manager = asked->key_manager;
    return ESPPROOF_DONE;
}

/* ---------------------------------------------------------------------------------------------------------- policies */

/* RFC 7296 3.13.1 has type and code of ICMP in one number, from the first type and code to the last ones: codes of several
 * types, or of any, are no such range. */
static bool in_one_number(const struct espproof_traffic *traffic)
{
    struct espproof_ports types = traffic->source_ports, codes = traffic->destination_ports;
    return codes.any || (!types.any && types.first == types.last);
}

static bool is_icmp(const struct espproof_traffic *traffic)
{
    return traffic->protocol == ICMP || traffic->protocol == ICMPV6;
}

static const char *missing(const struct espproof_policy *asked)
{
    const struct espproof_template *template = asked->templates;
    if (asked->block || asked->templates_count == 0)
        return "action";
    if (strcmp(asked->direction, "forward") == 0)
        return "direction forward";
    if (asked->templates_count != 1 || template->optional || template->spi != 0 || template->reqid == 0)
        return "templates";
    if (!template->tunnel || strcmp(template->protocol, "esp") != 0)
        return "mode or protocol of a template";
    if (asked->priority >= PRIORITIES)
        return "priorities";
    if (asked->mark.mask != 0 || asked->if_id != 0 || asked->icmp_errors)
        return "marks, if_ids, icmp_errors";
    if (asked->soft_seconds != ESPPROOF_NO_LIMIT || asked->hard_seconds != ESPPROOF_NO_LIMIT)
        return "policy_lifetimes";
    if (is_icmp(&asked->traffic) && !in_one_number(&asked->traffic))
        return "ports";
    return asked->traffic.protocol == ANY_PROTOCOL ? "selector of protocol 0" : NULL;
}

static traffic_selector_t *selector_of(const char *prefix, const struct espproof_traffic *traffic,
                                       struct espproof_ports ports)
{
    const char *any = traffic->version == 6 ? "::/0" : "0.0.0.0/0";
    uint8_t protocol = traffic->protocol < 0 ? ANY_PROTOCOL : (uint8_t)traffic->protocol;
    return traffic_selector_create_from_cidr(prefix != NULL ? prefix : any, protocol, ports.any ? 0 : ports.first,
                                             ports.any ? LAST_PORT : ports.last);
}

/* At both ends. */
static struct espproof_ports kinds_of(const struct espproof_traffic *traffic)
{
    struct espproof_ports types = traffic->source_ports, codes = traffic->destination_ports;
    return (struct espproof_ports){
        .any = types.any,
        .first = (uint16_t)(types.first << 8 | (codes.any ? 0 : codes.first)),
        .last = (uint16_t)(types.last << 8 | (codes.any ? 255 : codes.last)),
    };
}

static void choose_traffic(struct policy *policy, const struct espproof_traffic *traffic)
{
    bool icmp = is_icmp(traffic);
    struct espproof_ports kinds = kinds_of(traffic);
    policy->from = selector_of(traffic->source, traffic, icmp ? kinds : traffic->source_ports);
    policy->to = selector_of(traffic->destination, traffic, icmp ? kinds : traffic->destination_ports);
}

static int set(struct policy *policy, bool there)
{
    ipsec_policy_mgr_t *policies = ipsec->policies;
    return (there ? policies->add_policy : policies->del_policy)(
        policies, policy->ends[0], policy->ends[1], policy->from, policy->to, policy->direction, POLICY_IPSEC,
        &policy->leads_to, no_mark, policy->priority);
}

static enum espproof_result take_out(struct policy **at)
{
    struct policy *policy = *at;
    *at = policy->next;
    bool there = set(policy, false) == SUCCESS;
    forget(policy);
    return there ? ESPPROOF_DONE : ESPPROOF_REFUSED;
}

static struct policy **place_of(const char *name)
{
    struct policy **at = &host.policies;
    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

/* Where the policy for the same traffic is. */
static struct policy **twin_of(const struct policy *policy)
{
    struct policy **at = &host.policies;
    while (*at != NULL && ((*at)->direction != policy->direction || !(*at)->from->equals((*at)->from, policy->from) ||
                           !(*at)->to->equals((*at)->to, policy->to)))
        at = &(*at)->next;
    return at;
}

static struct policy *policy_of(const struct espproof_policy *asked)
{
    const struct espproof_template *template = asked->templates;
    struct policy *policy = calloc(1, sizeof *policy);
    if (policy == NULL || (policy->name = strdup(asked->name)) == NULL)
        abort();
    policy->direction = strcmp(asked->direction, "in") == 0 ? POLICY_IN : POLICY_OUT;
    policy->priority = (int)asked->priority;
    policy->leads_to = (ipsec_sa_cfg_t){.mode = MODE_TUNNEL, .reqid = template->reqid, .policy_count = 1, .esp = {true, 0}};
    policy->ends[0] = template->source ? host_create_from_string(template->source, 0) : NULL;
    policy->ends[1] = template->destination ? host_create_from_string(template->destination, 0) : NULL;
    choose_traffic(policy, &asked->traffic);
    if (policy->ends[0] && policy->ends[1] && policy->from && policy->to)
        return policy;
    forget(policy);
    return NULL;
}

static enum espproof_result add_policy(void *context, const struct espproof_policy *asked, bool replace,
                                       struct espproof_answer *answer)
{
    struct associations *associations = context;
    if (!associations->is_gateway || missing(asked) != NULL)
        return no(ESPPROOF_UNSUPPORTED, associations->is_gateway ? missing(asked) : "host", answer);
    instance_use(&associations->gateway);
    struct policy *policy = policy_of(asked);
    if (policy == NULL)
        return no(ESPPROOF_REFUSED, "an address or a prefix that is none", answer);
    struct policy **twin = twin_of(policy), *named = *place_of(policy->name);
    if ((*twin != NULL && !replace) || (named != NULL && named != *twin)) {
        forget(policy);
        return no(ESPPROOF_REFUSED, "another policy has the name, or is for the same traffic", answer);
    }
    if (*twin != NULL)
        take_out(twin);
    if (set(policy, true) != SUCCESS) {
        forget(policy);
        return no(ESPPROOF_REFUSED, "add_policy() failed", answer);
    }
    policy->next = host.policies;
    host.policies = policy;
    return ESPPROOF_DONE;
}

static enum espproof_result delete_policy(void *context, const char *name, struct espproof_answer *answer)
{
    struct associations *associations = context;
    if (!associations->is_gateway)
        return no(ESPPROOF_UNSUPPORTED, "host", answer);
    struct policy **at = place_of(name);
    instance_use(&associations->gateway);
    if (*at == NULL || take_out(at) != ESPPROOF_DONE)
        return no(ESPPROOF_REFUSED, "no such policy", answer);
    return ESPPROOF_DONE;
}

/* ------------------------------------------------------------------------------------------------------------ packets */

static const char *side_of(const uint8_t *packet)
{
    if (ipv_among(&host.ours, packet))
        return "local";
    return ipv_among(&host.wire, packet) ? "wire" : "plain";
}

static void protected(void *context, esp_packet_t *esp)
{
    static uint8_t whole[ESPPROOF_MAX_PACKET];
    chunk_t data = esp->packet.get_data(&esp->packet);
    const struct association *sa = associations_sending(context, data, esp->packet.get_destination(&esp->packet));
    if (sa != NULL && data.size <= sizeof whole - IPV_MOST_HEADER) {
        size_t size = outer_put(&sa->outer, whole, data.size);
        memcpy(whole + size, data.at, data.size);
        espproof_emerges(host.emerged, side_of(whole), whole, size + data.size);
    }
    esp->destroy(esp);
}

static void opened(void *context, ip_packet_t *inner)
{
    (void)context;
    chunk_t octets = inner->get_encoding(inner);
    host.inside = outer_copy((struct espproof_octets){octets.at, octets.size});
    inner->destroy(inner);
}

/* Takes the octets. What crosses to the wire is libipsec's. */
static void pass_on(chunk_t packet, bool forwarded)
{
    const char *side = side_of(packet.at);
    if (forwarded && strcmp(side, "local") != 0 && !ipv_hop(packet.at)) {
        free(packet.at);
        return;
    }
    if (strcmp(side, "wire") == 0) {
        ip_packet_t *plain = ip_packet_create(packet);
        if (plain != NULL)
            instance_outbound(plain);
        return;
    }
    espproof_emerges(host.emerged, side, packet.at, packet.size);
    free(packet.at);
}

/* ESP for this host; anything else is none of libipsec's business. What comes out and is no whole packet ends here, as in
 * the kernel behind charon's TUN device. */
static enum espproof_result arrives(struct espproof_octets packet, struct espproof_answer *answer)
{
    struct outer_opened outer;
    enum outer_found found = outer_open(packet, &outer);
    if (found == OUTER_MALFORMED || found == OUTER_FRAGMENT)
        return ESPPROOF_DONE;
    if (found != OUTER_ESP || !ipv_among(&host.ours, packet.at))
        return no(ESPPROOF_UNSUPPORTED, "packets in the clear over the wire", answer);
    host.inside = (chunk_t){NULL, 0};
    instance_inbound(outer_esp(&outer));
    if (ipv_whole((struct espproof_octets){host.inside.at, host.inside.size}).size > 0)
        pass_on(host.inside, true);
    else
        free(host.inside.at);
    return ESPPROOF_DONE;
}

static enum espproof_result enter(void *context, const struct espproof_enter *entering, struct espproof_told *emerged,
                                  struct espproof_answer *answer)
{
    struct associations *associations = context;
    if (!associations->is_gateway)
        return no(ESPPROOF_UNSUPPORTED, "host", answer);
    if (entering->mark || entering->segment || entering->layout || entering->way[0] != '\0')
        return no(ESPPROOF_UNSUPPORTED, "marks, segments, layouts, ways", answer);
    instance_use(&associations->gateway);
    host.emerged = emerged;
    if (strcmp(entering->side, "wire") == 0)
        return arrives(entering->packet, answer);
    struct espproof_octets whole = ipv_whole(entering->packet);
    if (whole.size > 0)
        pass_on(outer_copy(whole), strcmp(entering->side, "plain") == 0);
    return ESPPROOF_DONE;
}

/* ------------------------------------------------------------------------------------------------------------- events */

static void expired(const struct association *sa, bool hard)
{
    if (!host.key_manager)
        return;
    host.events = realloc(host.events, (host.events_count + 1) * sizeof *host.events);
    char *name = strdup(sa->name);
    if (host.events == NULL || name == NULL)
        abort();
    host.events[host.events_count++] = (struct event){hard ? "hard" : "soft", name};
}

static enum espproof_result read_events(void *context, struct espproof_told *events, struct espproof_answer *answer)
{
    struct associations *associations = context;
    if (!associations->is_gateway)
        return no(ESPPROOF_UNSUPPORTED, "host", answer);
    if (!host.key_manager)
        return no(ESPPROOF_REFUSED, "no key manager", answer);
    for (size_t i = 0; i < host.events_count; i++)
        espproof_event(events, host.events[i].kind, host.events[i].sa, NULL);
    forget_events();
    return ESPPROOF_DONE;
}

/* ------------------------------------------------------------------------------------------------------------- starts */

void host_start(struct associations *associations)
{
    ipsec_processor_t *processor = associations->gateway.ipsec->processor;
    host.associations = associations;
    associations->expired = expired;
    processor->register_outbound(processor, protected, associations);
    processor->register_inbound(processor, opened, associations);
}

const struct espproof_host_operations host_operations = {
    .configure = configure, .add_policy = add_policy, .delete_policy = delete_policy, .enter = enter,
    .read_events = read_events, .flush_sas = flush_sas, .flush_policies = flush_policies,
};
