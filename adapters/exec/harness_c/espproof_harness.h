/* espproof_harness: the exec protocol of espproof (PROTOCOL.md, version 1) for implementations that can be called from C.
 *
 * Fill in a struct espproof_implementation, call espproof_serve() from main(). The harness reads lines, gives every SA its
 * defaults, turns hexadecimal text into octets, calls you, and writes the answers. A callback that is NULL is answered with
 * "unsupported"; bursts go through the single-packet callbacks, one by one, if there is no burst callback.
 *
 * One thread, no global state. Octets that are handed to you are a block of their own of exactly their size, so that an
 * address sanitizer sees every octet that is read beyond the end. Needs libcjson.
 */
#ifndef ESPPROOF_HARNESS_H
#define ESPPROOF_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ESPPROOF_MAX_PACKET 65535
#define ESPPROOF_MAX_KEY 64
#define ESPPROOF_NO_LIMIT UINT64_MAX

struct espproof_octets {
    const uint8_t *at;
    size_t size;
};

/* Limits of a lifetime; ESPPROOF_NO_LIMIT for none. */
struct espproof_lifetime {
    uint64_t soft_packets, hard_packets, soft_octets, hard_octets, soft_seconds, hard_seconds;
    uint64_t soft_use_seconds, hard_use_seconds; /* of a host */
};

/* Numbers whose bits under `mask` are those of `value`; none of them where `mask` is 0. */
struct espproof_mark {
    uint32_t value, mask;
};

/* NULL or -1: any. Prefixes as text ("203.0.113.0/24"). */
struct espproof_selector {
    const char *source, *destination;
    int protocol;
};

/* One SA; see "The SA" in PROTOCOL.md. All pointers are valid during the callback only: copy what you keep. */
struct espproof_sa {
    const char *name;
    bool inbound;
    uint32_t spi;
    bool tunnel; /* otherwise transport mode */
    const char *source, *destination;
    const char *encr, *auth;
    struct espproof_octets encr_key, salt, auth_key;
    bool esn;
    uint64_t sequence;
    uint32_t replay_window; /* packets; 0: off */
    const uint64_t *received_offsets;
    size_t received_offsets_count;
    bool udp;
    uint16_t udp_source_port, udp_destination_port;
    int dscp; /* -1: copy */
    bool ecn_compatibility;
    const char *df;     /* "copy", "set", "clear" */
    unsigned hop_limit;
    const char *lookup; /* "spi", "spi+destination", "spi+destination+source" */
    struct espproof_lifetime lifetime;
    const struct espproof_selector *selectors;
    size_t selectors_count;
    uint32_t resync_trigger, resync_limit;
    uint32_t reqid, if_id; /* of a host, and so are mark and protocol */
    struct espproof_mark mark;
    const char *protocol; /* "esp", "ah": what is not yours, say that it is unsupported */
};

/* What became of a request. Which of them go with which callback: see "Operations" in PROTOCOL.md. */
enum espproof_result {
    ESPPROOF_DONE,
    ESPPROOF_REFUSED,
    ESPPROOF_SENT,      /* fill in packet, size */
    ESPPROOF_DELIVERED, /* fill in packet, size; sa if known */
    ESPPROOF_DROPPED,
    ESPPROOF_PASSED_IKE,
    ESPPROOF_PASSED_BYPASS,
    ESPPROOF_UNSUPPORTED,
};

/* Filled in by a callback that returns a result. Text must stay valid until the next callback. */
struct espproof_answer {
    uint8_t *packet; /* room for ESPPROOF_MAX_PACKET octets */
    size_t size;
    const char *sa;     /* ESPPROOF_DELIVERED: name of the SA, or NULL */
    const char *reason; /* REFUSED, DROPPED, UNSUPPORTED: why, or NULL */
};

struct espproof_outbound {
    const char *sa;
    struct espproof_octets packet;
    bool has_iv;
    struct espproof_octets iv;
    unsigned tfc; /* octets of TFC padding */
    bool dummy;
};

/* What read_state tells; the flags say which members do. There is no `early`. */
struct espproof_state {
    bool has_sequence, has_packets, has_octets;
    uint64_t sequence, packets, octets;
    uint64_t *received_offsets; /* allocated with malloc, freed by the harness; NULL: not told */
    size_t received_offsets_count;
    const char *lifetime; /* "ok", "soft", "hard"; NULL: not told */
};

/* ------------------------------------------------------------------------------- a host around ESP (capability `host`) */

/* See "A host" in PROTOCOL.md. An MTU of 0 is any. */
struct espproof_host {
    const char *const *addresses, *const *wire;
    size_t addresses_count, wire_count;
    bool blocks_in, blocks_out, blocks_forward;
    bool key_manager, forward;
    uint32_t mtu_wire, mtu_plain;
    const char *fragments; /* "outside", "inside" */
    unsigned holds;        /* packets that each policy holds for an SA */
};

/* Of ICMP, types or codes. */
struct espproof_ports {
    bool any;
    uint16_t first, last;
};

/* NULL, -1 or `any`: any. */
struct espproof_traffic {
    int version;
    const char *source, *destination;
    int protocol;
    struct espproof_ports source_ports, destination_ports;
};

/* The ends are a tunnel's, and NULL in transport mode. */
struct espproof_template {
    bool tunnel;
    const char *source, *destination, *protocol; /* "esp", "ah", "comp" */
    uint32_t spi, reqid;
    bool optional;
};

struct espproof_policy {
    const char *name, *direction; /* "in", "out", "forward" */
    struct espproof_traffic traffic;
    bool block;
    uint32_t priority, if_id;
    struct espproof_mark mark;
    const struct espproof_template *templates; /* the first for the innermost SA */
    size_t templates_count;
    uint64_t soft_seconds, hard_seconds; /* ESPPROOF_NO_LIMIT for none */
    bool icmp_errors;
};

/* A packet enters. `layout` says that one was asked for; the harness does not read it. */
struct espproof_enter {
    const char *side; /* "wire", "plain", "local" */
    struct espproof_octets packet;
    uint32_t mark;
    unsigned segment; /* octets; 0: no super-packet */
    const char *way;  /* "": the usual one */
    bool layout;
};

/* What is told of packets, counters, events: as many as there are, in their order. */
struct espproof_told;
void espproof_emerges(struct espproof_told *told, const char *side, const uint8_t *packet, size_t size);
void espproof_counts(struct espproof_told *told, const char *name, uint64_t count);
/* `kind` is "soft" or "hard"; `sa` or `policy` is NULL. There is no flow: "acquire" tells the policy alone. */
void espproof_event(struct espproof_told *told, const char *kind, const char *sa, const char *policy);

/* All optional, but `configure`. ESPPROOF_DONE where something is told. */
struct espproof_host_operations {
    enum espproof_result (*configure)(void *context, const struct espproof_host *host, struct espproof_answer *answer);
    enum espproof_result (*add_policy)(void *context, const struct espproof_policy *policy, bool replace,
                                       struct espproof_answer *answer);
    enum espproof_result (*delete_policy)(void *context, const char *name, struct espproof_answer *answer);
    enum espproof_result (*enter)(void *context, const struct espproof_enter *entering, struct espproof_told *emerged,
                                  struct espproof_answer *answer);
    void (*read_counters)(void *context, struct espproof_told *counters);
    enum espproof_result (*read_events)(void *context, struct espproof_told *events, struct espproof_answer *answer);
    enum espproof_result (*update_sa)(void *context, const struct espproof_sa *sa, struct espproof_answer *answer);
    enum espproof_result (*reserve_spi)(void *context, const struct espproof_sa *sa, struct espproof_answer *answer);
    void (*flush_sas)(void *context);
    void (*flush_policies)(void *context);
    enum espproof_result (*await_held)(void *context, struct espproof_told *emerged, struct espproof_answer *answer);
};

struct espproof_implementation {
    const char *name, *version;
    const char *capabilities; /* the JSON object of "Capabilities" in PROTOCOL.md */
    void *context;            /* handed to every callback */

    void (*reset)(void *context); /* required */
    enum espproof_result (*add_sa)(void *context, const struct espproof_sa *sa, struct espproof_answer *answer);
    enum espproof_result (*delete_sa)(void *context, const char *name, struct espproof_answer *answer);
    enum espproof_result (*outbound)(void *context, const struct espproof_outbound *request,
                                     struct espproof_answer *answer);
    enum espproof_result (*inbound)(void *context, struct espproof_octets packet, struct espproof_answer *answer);
    /* `count` results and answers, each with a buffer of its own; optional */
    void (*outbound_burst)(void *context, const char *sa, const struct espproof_octets *packets, size_t count,
                           enum espproof_result *results, struct espproof_answer *answers);
    void (*inbound_burst)(void *context, const struct espproof_octets *packets, size_t count,
                          enum espproof_result *results, struct espproof_answer *answers);
    /* returns false for an SA that there is not */
    bool (*read_state)(void *context, const char *name, struct espproof_state *state);
    void (*advance_time)(void *context, uint64_t seconds);
    const struct espproof_host_operations *host; /* NULL: there is none */
};

/* Answer requests until end of file. Returns what main() should return. Nothing else may write to `answers`. */
int espproof_serve(const struct espproof_implementation *implementation, FILE *requests, FILE *answers);

/* Hexadecimal text. espproof_from_hex() allocates exactly what it needs (never NULL for good text, also if it is empty);
 * NULL for text that is none. espproof_to_hex() needs room for 2 * size + 1 characters. */
uint8_t *espproof_from_hex(const char *text, size_t *size);
void espproof_to_hex(const uint8_t *octets, size_t size, char *text);

#endif
