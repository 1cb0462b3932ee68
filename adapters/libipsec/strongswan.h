/* What the shim uses of libstrongswan and libipsec 5.9.8, declared anew: Debian has the libraries without headers.
 *
 * x86-64 System V. Objects are structs of function pointers, followed by what is private; members that are not called are
 * only counted. `layout` compares the counts with those of the library that is there. Chunks, marks and the requeue policy
 * of a job travel by value.
 */
#ifndef ESPPROOF_STRONGSWAN_H
#define ESPPROOF_STRONGSWAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

typedef struct {
    uint8_t *at;
    size_t size;
} chunk_t;

typedef struct {
    uint32_t value, mask;
} mark_t;

/* 0: no limit. `life` is the hard one, `rekey` the soft one. */
typedef struct {
    struct {
        uint64_t life, rekey, jitter;
    } time, bytes, packets;
} lifetime_cfg_t;

enum { MODE_TUNNEL = 2, PROTO_ESP = 50 };
enum status { SUCCESS = 0, FAILED = 1, VERIFY_ERROR = 8 };
/* Of decrypt(): FAILED: the ICV is wrong. VERIFY_ERROR: the replay check. */

/* ------------------------------------------------------------------------------------------------------ libstrongswan */

enum { REQUEUE_SCHEDULE = 3, SCHEDULE_SECONDS = 0 };

typedef struct {
    int type, unit;
    union {
        uint32_t seconds;
        struct timeval absolute;
    } time;
} job_requeue_t;

typedef struct job job_t;
struct job {
    int status;
    job_requeue_t (*execute)(job_t *);
    void *others[2];
    void (*destroy)(job_t *);
};

typedef struct processor processor_t;
struct processor {
    void *others[4];
    void (*queue_job)(processor_t *, job_t *);
    void *more[4];
};

typedef struct scheduler scheduler_t;
struct scheduler {
    void (*schedule_job)(scheduler_t *, job_t *, uint32_t seconds);
    void *others[5];
};

typedef struct plugin_loader plugin_loader_t;
struct plugin_loader {
    void *add_static_features;
    bool (*load)(plugin_loader_t *, const char *names);
};

typedef struct {
    void *members[15];
    plugin_loader_t *plugins;
    processor_t *processor;
    scheduler_t *scheduler;
} library_t;
extern library_t *lib;

bool library_init(const char *settings, const char *name);
void dbg_default_set_level(int level);

typedef struct host host_t;
struct host {
    host_t *(*clone)(host_t *);
    void *others[7];
    bool (*ip_equals)(host_t *, host_t *);
    void *equals;
    void (*destroy)(host_t *);
};
host_t *host_create_from_string(const char *address, uint16_t port);
host_t *host_create_from_chunk(int family, chunk_t address, uint16_t port); /* copies the address */

/* A range of addresses, of ports and one protocol, 0 for any. */
typedef struct traffic_selector traffic_selector_t;
struct traffic_selector {
    void *others[11];
    bool (*equals)(traffic_selector_t *, traffic_selector_t *);
    void *more[4];
    void (*destroy)(traffic_selector_t *);
};
traffic_selector_t *traffic_selector_create_from_cidr(const char *subnet, uint8_t protocol, uint16_t from_port,
                                                      uint16_t to_port);

typedef struct packet packet_t;
struct packet {
    void *others[3];
    host_t *(*get_destination)(packet_t *);
    chunk_t (*get_data)(packet_t *);
    void *more[8];
};
packet_t *packet_create_from_data(host_t *source, host_t *destination, chunk_t data); /* takes all three */

/* ----------------------------------------------------------------------------------------------------------- libipsec */

/* Sequence numbers, window and keys of one SA. */
typedef struct esp_context esp_context_t;
struct esp_context {
    void *get_aead;
    uint32_t (*get_seqno)(esp_context_t *);
    bool (*next_seqno)(esp_context_t *, uint32_t *);
    bool (*verify_seqno)(esp_context_t *, uint32_t);
    void (*set_authenticated_seqno)(esp_context_t *, uint32_t);
    void (*destroy)(esp_context_t *);
};

typedef struct ipsec_sa ipsec_sa_t;
struct ipsec_sa {
    void *others[9];
    esp_context_t *(*get_esp_context)(ipsec_sa_t *);
    void *more[7];
};

typedef struct ip_packet ip_packet_t;
struct ip_packet {
    void *others[4];
    chunk_t (*get_encoding)(ip_packet_t *);
    void *more[2];
    void (*destroy)(ip_packet_t *);
};
ip_packet_t *ip_packet_create(chunk_t packet); /* takes the octets, also when it fails */

typedef struct esp_packet esp_packet_t;
struct esp_packet {
    packet_t packet;
    void *others[3];
    int (*decrypt)(esp_packet_t *, esp_context_t *);
    void *more[4];
    void (*destroy)(esp_packet_t *);
};
esp_packet_t *esp_packet_create_from_packet(packet_t *packet); /* takes the packet */

/* The SAD. SPIs are in network order; encap must be true, esn false. Keys carry the salt behind them. */
typedef struct ipsec_sa_mgr ipsec_sa_mgr_t;
struct ipsec_sa_mgr {
    void *get_spi;
    int (*add_sa)(ipsec_sa_mgr_t *, host_t *source, host_t *destination, uint32_t spi, uint8_t protocol, uint32_t reqid,
                  mark_t mark, uint32_t tfc, lifetime_cfg_t *lifetime, uint16_t encryption, chunk_t key,
                  uint16_t integrity, chunk_t auth_key, int mode, uint16_t ipcomp, uint16_t cpi, bool initiator,
                  bool encap, bool esn, bool inbound, bool update);
    void *update_sa;
    int (*query_sa)(ipsec_sa_mgr_t *, host_t *source, host_t *destination, uint32_t spi, uint8_t protocol, mark_t mark,
                    uint64_t *bytes, uint64_t *packets, time_t *time);
    int (*del_sa)(ipsec_sa_mgr_t *, host_t *source, host_t *destination, uint32_t spi, uint8_t protocol, uint16_t cpi,
                  mark_t mark);
    int (*flush_sas)(ipsec_sa_mgr_t *);
    void *checkout_by_spi;
    ipsec_sa_t *(*checkout_by_reqid)(ipsec_sa_mgr_t *, uint32_t reqid, bool inbound);
    void (*checkin)(ipsec_sa_mgr_t *, ipsec_sa_t *);
    void *destroy;
};

enum { POLICY_IN = 0, POLICY_OUT = 1, POLICY_IPSEC = 1, POLICY_PRIORITY_DEFAULT = 1 };

/* The SA that a policy leads to, which is the one with that reqid. */
typedef struct {
    int mode;
    uint32_t reqid, policy_count;
    struct {
        bool use;
        uint32_t spi;
    } esp, ah;
    uint16_t ipcomp, cpi;
} ipsec_sa_cfg_t;

/* The SPD. */
typedef struct ipsec_policy_mgr ipsec_policy_mgr_t;
struct ipsec_policy_mgr {
    int (*add_policy)(ipsec_policy_mgr_t *, host_t *source, host_t *destination, traffic_selector_t *from,
                      traffic_selector_t *to, int direction, int type, ipsec_sa_cfg_t *sa, mark_t mark, int priority);
    int (*del_policy)(ipsec_policy_mgr_t *, host_t *source, host_t *destination, traffic_selector_t *from,
                      traffic_selector_t *to, int direction, int type, ipsec_sa_cfg_t *sa, mark_t mark, int priority);
    int (*flush_policies)(ipsec_policy_mgr_t *);
    void *others[2];
};

typedef struct {
    void (*expire)(uint8_t protocol, uint32_t spi, host_t *destination, bool hard);
} ipsec_event_listener_t;

typedef struct ipsec_event_relay ipsec_event_relay_t;
struct ipsec_event_relay {
    void (*expire)(ipsec_event_relay_t *, uint8_t protocol, uint32_t spi, host_t *destination, bool hard);
    void (*register_listener)(ipsec_event_relay_t *, ipsec_event_listener_t *);
    void *others[2];
};

/* Whose jobs take packets from two queues, find SA and policy, and call back with what comes out. */
typedef struct ipsec_processor ipsec_processor_t;
struct ipsec_processor {
    void (*queue_inbound)(ipsec_processor_t *, esp_packet_t *);
    void (*queue_outbound)(ipsec_processor_t *, ip_packet_t *);
    void (*register_inbound)(ipsec_processor_t *, void (*)(void *, ip_packet_t *), void *);
    void *unregister_inbound;
    void (*register_outbound)(ipsec_processor_t *, void (*)(void *, esp_packet_t *), void *);
    void *others[2];
};

typedef struct {
    ipsec_sa_mgr_t *sas;
    ipsec_policy_mgr_t *policies;
    ipsec_event_relay_t *events;
    ipsec_processor_t *processor;
} ipsec_t;
extern ipsec_t *ipsec; /* what all functions of libipsec work on */

bool libipsec_init(void); /* makes a new one */

#endif
