/* The SAs of a case, in libipsec's SAD, each with its policies in libipsec's SPD. */
#ifndef ESPPROOF_ASSOCIATIONS_H
#define ESPPROOF_ASSOCIATIONS_H

#include "espproof_harness.h"
#include "instance.h"
#include "outer.h"

/* The inner traffic of one policy. */
struct traffic {
    traffic_selector_t *from, *to;
};

/* What libipsec is asked by, and what it does not keep. */
struct association {
    struct association *next;
    char *name;
    bool inbound;
    uint32_t spi;           /* in network order */
    uint32_t reqid;         /* leads from policy to SA; nobody else's, but for a gateway */
    host_t *ends[2];        /* source, destination */
    esp_context_t *context; /* libipsec's; NULL once libipsec has deleted the SA */
    const char *lifetime;   /* as libipsec has signalled: "ok", "soft" or "hard" */
    struct traffic *traffic;
    size_t traffic_count;
    struct outer outer;
};

/* The SAs of a case are seen from the wire: outbound ones are those of the host that sends, inbound ones those of the host
 * that receives. Each host has a libipsec. A gateway (host.h) has both; SAs then have no policies of their own. */
struct associations {
    struct instance sender, receiver, gateway;
    bool is_gateway;
    void (*expired)(const struct association *sa, bool hard); /* a limit of an SA of the gateway is reached */
    struct association *all;
    const struct association *sending; /* whose policy is the sender's only one */
    uint32_t last_reqid;
};

/* NULL, or why there is no libipsec that can be used. */
const char *associations_start(struct associations *associations);
void associations_reset(struct associations *associations);

enum espproof_result associations_add(struct associations *associations, const struct espproof_sa *asked,
                                      struct espproof_answer *answer);
enum espproof_result associations_delete(struct associations *associations, const char *name,
                                         struct espproof_answer *answer);
bool associations_read(struct associations *associations, const char *name, struct espproof_state *state);
void associations_pass(struct associations *associations, uint64_t seconds);

struct association *associations_named(struct associations *associations, const char *name);
struct association *associations_with(struct associations *associations, const esp_context_t *context);

void associations_flush(struct associations *associations);

/* Of a gateway, the SA that has made this ESP packet for that destination, or NULL. */
const struct association *associations_sending(struct associations *associations, chunk_t esp, host_t *destination);

/* Makes the sender protect with this SA, whatever the packet. */
void associations_send_with(struct associations *associations, const struct association *sa);

#endif
