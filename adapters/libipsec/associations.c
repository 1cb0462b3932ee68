/* Whether an SA may be made, be found and still be used is for libipsec to say. What it is not asked for:
 *
 * - addresses of two IP versions: refused, as no outer header can have them;
 * - a soft limit of seconds without a hard one, for which libipsec sets no timer, and a selector of protocol 0, which to
 *   libipsec means any: unsupported, as both would be ignored;
 * - a name that is in use: names are the case's.
 */
#define _GNU_SOURCE
#include "associations.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 128, PORT = 4500, LAST_PORT = 65535 };

static const char *const any_traffic[] = {"0.0.0.0/0", "::/0"};
static const mark_t no_mark = {0, 0};

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

static void *allocate(size_t size)
{
    void *block = calloc(1, size ? size : 1);
    if (block == NULL)
        abort();
    return block;
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

/* ----------------------------------------------------------------------------------------------------------- the list */

struct association *associations_named(struct associations *associations, const char *name)
{
    struct association *sa = associations->all;
    while (sa != NULL && strcmp(sa->name, name) != 0)
        sa = sa->next;
    return sa;
}

struct association *associations_with(struct associations *associations, const esp_context_t *context)
{
    struct association *sa = associations->all;
    while (sa != NULL && sa->context != context)
        sa = sa->next;
    return sa;
}

const struct association *associations_sending(struct associations *associations, chunk_t esp, host_t *destination)
{
    struct association *sa = associations->all;
    uint32_t spi;
    memcpy(&spi, esp.at, sizeof spi);
    while (sa != NULL && (sa->inbound || sa->spi != spi || !sa->ends[1]->ip_equals(sa->ends[1], destination)))
        sa = sa->next;
    return sa;
}

static void forget(struct association *sa)
{
    for (size_t i = 0; i < sa->traffic_count; i++) {
        sa->traffic[i].from->destroy(sa->traffic[i].from);
        sa->traffic[i].to->destroy(sa->traffic[i].to);
    }
    for (int i = 0; i < 2; i++)
        if (sa->ends[i] != NULL)
            sa->ends[i]->destroy(sa->ends[i]);
    free(sa->traffic);
    free(sa->name);
    free(sa);
}

static struct instance *host_of(struct associations *associations, const struct association *sa)
{
    if (associations->is_gateway)
        return &associations->gateway;
    return sa->inbound ? &associations->receiver : &associations->sender;
}

static void use_host_of(struct associations *associations, const struct association *sa)
{
    instance_use(host_of(associations, sa));
}

/* ------------------------------------------------------------------------------------------------------------- events */

static struct associations *listening; /* a listener gets no context */

/* The event names SPI and destination; the newest SA with them is meant, as in checkout_by_spi(). */
static void expired(uint8_t protocol, uint32_t spi, host_t *destination, bool hard)
{
    (void)protocol;
    for (struct association *sa = listening->all; sa != NULL; sa = sa->next) {
        bool here = ipsec == host_of(listening, sa)->ipsec;
        if (here && sa->context != NULL && sa->spi == spi && sa->ends[1]->ip_equals(sa->ends[1], destination)) {
            sa->lifetime = hard ? "hard" : "soft";
            if (listening->is_gateway)
                listening->expired(sa, hard);
            return;
        }
    }
}

const char *associations_start(struct associations *associations)
{
    static ipsec_event_listener_t listener = {expired};
    struct instance *hosts[] = {&associations->sender, &associations->receiver, &associations->gateway};
    listening = associations;
    for (int i = 0; i < 3; i++) {
        const char *differs = instance_start(hosts[i]);
        if (differs != NULL)
            return differs;
        ipsec->events->register_listener(ipsec->events, &listener);
    }
    return NULL;
}

void associations_flush(struct associations *associations)
{
    struct instance *hosts[] = {&associations->sender, &associations->receiver, &associations->gateway};
    for (int i = 0; i < 3; i++) {
        instance_use(hosts[i]);
        ipsec->sas->flush_sas(ipsec->sas);
    }
    while (associations->all != NULL) {
        struct association *sa = associations->all;
        associations->all = sa->next;
        forget(sa);
    }
    associations->sending = NULL;
}

void associations_reset(struct associations *associations)
{
    struct instance *hosts[] = {&associations->sender, &associations->receiver};
    associations_flush(associations);
    for (int i = 0; i < 2; i++) {
        instance_use(hosts[i]);
        ipsec->policies->flush_policies(ipsec->policies);
    }
    instance_forget_timers();
    associations->last_reqid = 0;
}

/* ----------------------------------------------------------------------------------------------------------- policies */

/* `from` and `to` are subnets, or NULL for any; of two IP versions they are met by no packet and left out. */
static void add_traffic(struct association *sa, const char *from, const char *to, uint8_t protocol)
{
    for (size_t i = 0; i < 2; i++) {
        const char *ends[] = {from != NULL ? from : any_traffic[i], to != NULL ? to : any_traffic[i]};
        bool version6[] = {strchr(ends[0], ':') != NULL, strchr(ends[1], ':') != NULL};
        if (version6[0] != version6[1] || version6[0] != (i == 1))
            continue;
        sa->traffic[sa->traffic_count++] = (struct traffic){
            traffic_selector_create_from_cidr(ends[0], protocol, 0, LAST_PORT),
            traffic_selector_create_from_cidr(ends[1], protocol, 0, LAST_PORT),
        };
    }
}

static void choose_traffic(struct association *sa, const struct espproof_sa *asked)
{
    sa->traffic = allocate(2 * (asked->selectors_count + 1) * sizeof *sa->traffic);
    for (size_t i = 0; i < asked->selectors_count; i++) {
        const struct espproof_selector *selector = &asked->selectors[i];
        add_traffic(sa, selector->source, selector->destination,
                    selector->protocol > 0 ? (uint8_t)selector->protocol : 0);
    }
    if (asked->selectors_count == 0)
        add_traffic(sa, NULL, NULL, 0);
}

static void set_policies(const struct association *sa, bool there)
{
    ipsec_policy_mgr_t *policies = ipsec->policies;
    ipsec_sa_cfg_t leads_to = {.mode = MODE_TUNNEL, .reqid = sa->reqid, .policy_count = 1, .esp = {true, sa->spi}};
    for (size_t i = 0; i < sa->traffic_count; i++)
        (there ? policies->add_policy : policies->del_policy)(
            policies, sa->ends[0], sa->ends[1], sa->traffic[i].from, sa->traffic[i].to,
            sa->inbound ? POLICY_IN : POLICY_OUT, POLICY_IPSEC, &leads_to, no_mark, POLICY_PRIORITY_DEFAULT);
}

void associations_send_with(struct associations *associations, const struct association *sa)
{
    use_host_of(associations, sa);
    if (associations->sending == sa)
        return;
    ipsec->policies->flush_policies(ipsec->policies);
    set_policies(sa, true);
    associations->sending = sa;
}

/* ---------------------------------------------------------------------------------------------------------------- SAs */

/* What the SA asks for and libipsec, or this shim, does not do. */
static const char *missing(const struct espproof_sa *asked, bool of_gateway)
{
    if (asked->mark.mask != 0 || asked->if_id != 0 || asked->lifetime.soft_use_seconds != ESPPROOF_NO_LIMIT ||
        asked->lifetime.hard_use_seconds != ESPPROOF_NO_LIMIT)
        return "marks, if_ids, use_lifetimes";
    if (strcmp(asked->protocol, "esp") != 0)
        return "protocol ah";
    if (of_gateway ? asked->reqid == 0 || asked->selectors_count != 0 : asked->reqid != 0)
        return "request id or selectors";
    if (find(encryption, asked->encr) == NULL || find(integrity, asked->auth) == NULL)
        return "algorithm";
    if (!asked->tunnel || asked->esn || asked->udp)
        return "mode, ESN or UDP";
    if (asked->ecn_compatibility)
        return "ecn compatibility";
    if (asked->resync_limit)
        return "resynchronisation";
    if (asked->lifetime.soft_seconds != ESPPROOF_NO_LIMIT && asked->lifetime.hard_seconds == ESPPROOF_NO_LIMIT)
        return "soft lifetime in seconds without a hard one";
    if (!asked->inbound)
        return asked->dscp < 0 || strcmp(asked->df, "copy") == 0 ? "DSCP or DF that is copied" : NULL;
    for (size_t i = 0; i < asked->selectors_count; i++)
        if (asked->selectors[i].protocol == 0)
            return "selector of protocol 0";
    if (strcmp(asked->lookup, "spi+destination") != 0)
        return "lookup";
    return asked->replay_window != WINDOW ? "replay window" : NULL;
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

static bool take_addresses(struct association *sa, const struct espproof_sa *asked)
{
    int family = strchr(asked->destination, ':') != NULL ? AF_INET6 : AF_INET;
    sa->outer.version = family == AF_INET6 ? 6 : 4;
    sa->ends[0] = host_create_from_string(asked->source, PORT);
    sa->ends[1] = host_create_from_string(asked->destination, PORT);
    return inet_pton(family, asked->source, sa->outer.source) == 1 &&
           inet_pton(family, asked->destination, sa->outer.destination) == 1 && sa->ends[0] != NULL &&
           sa->ends[1] != NULL;
}

static uint64_t limit(uint64_t asked)
{
    return asked == ESPPROOF_NO_LIMIT ? 0 : asked;
}

static lifetime_cfg_t lifetime_of(const struct espproof_lifetime *asked)
{
    return (lifetime_cfg_t){
        .time = {limit(asked->hard_seconds), limit(asked->soft_seconds), 0},
        .bytes = {limit(asked->hard_octets), limit(asked->soft_octets), 0},
        .packets = {limit(asked->hard_packets), limit(asked->soft_packets), 0},
    };
}

static bool install(const struct association *sa, const struct espproof_sa *asked)
{
    lifetime_cfg_t lifetime = lifetime_of(&asked->lifetime);
    chunk_t key = {allocate(asked->encr_key.size + asked->salt.size), asked->encr_key.size + asked->salt.size};
    memcpy(key.at, asked->encr_key.at, asked->encr_key.size);
    memcpy(key.at + asked->encr_key.size, asked->salt.at, asked->salt.size);
    chunk_t auth_key = {allocate(asked->auth_key.size), asked->auth_key.size};
    memcpy(auth_key.at, asked->auth_key.at, asked->auth_key.size);
    int status = ipsec->sas->add_sa(ipsec->sas, sa->ends[0], sa->ends[1], sa->spi, PROTO_ESP, sa->reqid, no_mark, 0,
                                    &lifetime, find(encryption, asked->encr)->id, key,
                                    find(integrity, asked->auth)->id, auth_key, MODE_TUNNEL, 0, 0, !sa->inbound, true,
                                    false, sa->inbound, false);
    free(key.at);
    free(auth_key.at);
    return status == SUCCESS;
}

static esp_context_t *context_of(const struct association *sa)
{
    ipsec_sa_t *found = ipsec->sas->checkout_by_reqid(ipsec->sas, sa->reqid, sa->inbound);
    esp_context_t *context = found != NULL ? found->get_esp_context(found) : NULL;
    if (found != NULL)
        ipsec->sas->checkin(ipsec->sas, found);
    return context;
}

static int uninstall(const struct association *sa)
{
    return ipsec->sas->del_sa(ipsec->sas, sa->ends[0], sa->ends[1], sa->spi, PROTO_ESP, 0, no_mark);
}

enum espproof_result associations_add(struct associations *associations, const struct espproof_sa *asked,
                                      struct espproof_answer *answer)
{
    if (associations_named(associations, asked->name) != NULL)
        return refuse(answer, "name in use");
    if (missing(asked, associations->is_gateway) != NULL)
        return cannot(answer, missing(asked, associations->is_gateway));
    struct association *sa = allocate(sizeof *sa);
    sa->name = strdup(asked->name);
    if (sa->name == NULL)
        abort();
    sa->inbound = asked->inbound;
    sa->spi = htonl(asked->spi);
    sa->reqid = associations->is_gateway ? asked->reqid : ++associations->last_reqid;
    sa->lifetime = "ok";
    sa->outer.hop_limit = (uint8_t)asked->hop_limit;
    sa->outer.traffic_class = asked->dscp > 0 ? (uint8_t)(asked->dscp << 2) : 0;
    sa->outer.dont_fragment = strcmp(asked->df, "set") == 0;
    use_host_of(associations, sa);
    if (!take_addresses(sa, asked)) {
        forget(sa);
        return refuse(answer, "an address that is none, or of the other version");
    }
    if (!install(sa, asked)) {
        forget(sa);
        return refuse(answer, "add_sa() failed");
    }
    sa->context = context_of(sa);
    if (sa->context == NULL || !start(sa->context, asked)) {
        uninstall(sa);
        forget(sa);
        return cannot(answer, "set_sequence");
    }
    if (!associations->is_gateway)
        choose_traffic(sa, asked);
    if (sa->inbound)
        set_policies(sa, true);
    sa->next = associations->all;
    associations->all = sa;
    return ESPPROOF_DONE;
}

enum espproof_result associations_delete(struct associations *associations, const char *name,
                                         struct espproof_answer *answer)
{
    struct association **at = &associations->all;
    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    struct association *sa = *at;
    if (sa == NULL)
        return refuse(answer, "no such SA");
    *at = sa->next;
    use_host_of(associations, sa);
    if (sa->inbound || associations->sending == sa) {
        set_policies(sa, false);
        associations->sending = sa->inbound ? associations->sending : NULL;
    }
    bool there = sa->context != NULL && uninstall(sa) == SUCCESS;
    forget(sa);
    return there ? ESPPROOF_DONE : refuse(answer, "del_sa() failed: no such SA any more");
}

static bool count(const struct association *sa, struct espproof_state *state)
{
    return ipsec->sas->query_sa(ipsec->sas, sa->ends[0], sa->ends[1], sa->spi, PROTO_ESP, no_mark, &state->octets,
                                &state->packets, NULL) == SUCCESS;
}

/* The numbers of the window that libipsec says it would not take again. */
static void read_window(esp_context_t *context, struct espproof_state *state)
{
    uint32_t top = context->get_seqno(context);
    state->received_offsets = allocate(WINDOW * sizeof *state->received_offsets);
    for (uint32_t offset = 0; offset < WINDOW && offset < top; offset++)
        if (!context->verify_seqno(context, top - offset))
            state->received_offsets[state->received_offsets_count++] = offset;
}

bool associations_read(struct associations *associations, const char *name, struct espproof_state *state)
{
    const struct association *sa = associations_named(associations, name);
    if (sa == NULL)
        return false;
    use_host_of(associations, sa);
    state->lifetime = sa->lifetime;
    if (sa->context == NULL)
        return true;
    state->has_packets = state->has_octets = count(sa, state);
    state->has_sequence = true;
    state->sequence = sa->context->get_seqno(sa->context);
    if (sa->inbound)
        read_window(sa->context, state);
    return true;
}

/* When a hard limit of seconds is reached libipsec deletes the SA, and its context with it. */
void associations_pass(struct associations *associations, uint64_t seconds)
{
    struct espproof_state ignored;
    instance_pass(seconds);
    for (struct association *sa = associations->all; sa != NULL; sa = sa->next) {
        use_host_of(associations, sa);
        if (sa->context != NULL && !count(sa, &ignored))
            sa->context = NULL;
    }
}
