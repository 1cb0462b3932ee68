/* What the shim uses of libstrongswan and libipsec 5.9.8, declared anew: Debian has the libraries without headers.
 *
 * x86-64 System V. Objects are structs of function pointers; only their order matters, and members that are not called
 * are only counted. A chunk, a mark and a status travel by value.
 */
#ifndef ESPPROOF_STRONGSWAN_H
#define ESPPROOF_STRONGSWAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *at;
    size_t size;
} chunk_t;

typedef struct {
    uint32_t value, mask;
} mark_t;

typedef struct {
    struct {
        uint64_t life, rekey, jitter;
    } time, bytes, packets;
} lifetime_cfg_t;

enum { MODE_TUNNEL = 2, PROTO_ESP = 50 };
enum status { SUCCESS = 0, FAILED = 1, PARSE_ERROR = 7, VERIFY_ERROR = 8 };
/* FAILED: the ICV is wrong. PARSE_ERROR: lengths or padding. VERIFY_ERROR: the replay check. */

typedef struct plugin_loader plugin_loader_t;
struct plugin_loader {
    void *add_static_features;
    bool (*load)(plugin_loader_t *, const char *names);
};

typedef struct {
    void *members[15];
    plugin_loader_t *plugins;
} library_t;
extern library_t *lib;

bool library_init(const char *settings, const char *name);
void dbg_default_set_level(int level);
bool libipsec_init(void);

typedef struct host host_t;
struct host {
    host_t *(*clone)(host_t *);
    void *others[9];
    void (*destroy)(host_t *);
};
host_t *host_create_from_string(const char *address, uint16_t port);

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
    void *more[6];
    void (*destroy)(ipsec_sa_t *);
};
/* The SPI is in network order; encap must be true, esn false. */
ipsec_sa_t *ipsec_sa_create(uint32_t spi, host_t *source, host_t *destination, uint8_t protocol, uint32_t reqid,
                            mark_t mark, uint32_t tfc, lifetime_cfg_t *lifetime, uint16_t encryption, chunk_t key,
                            uint16_t integrity, chunk_t auth_key, int mode, uint16_t ipcomp, uint16_t cpi, bool encap,
                            bool esn, bool inbound);

typedef struct ip_packet ip_packet_t;
struct ip_packet {
    void *others[4];
    chunk_t (*get_encoding)(ip_packet_t *);
    void *more[2];
    void (*destroy)(ip_packet_t *);
};
ip_packet_t *ip_packet_create(chunk_t packet); /* takes the octets, also when it fails */

typedef struct packet packet_t;
struct packet {
    void *others[4];
    chunk_t (*get_data)(packet_t *);
    void *more[8];
};
packet_t *packet_create_from_data(host_t *source, host_t *destination, chunk_t data); /* takes all three */

typedef struct esp_packet esp_packet_t;
struct esp_packet {
    packet_t packet;
    void *others[2];
    bool (*parse_header)(esp_packet_t *, uint32_t *spi);
    int (*decrypt)(esp_packet_t *, esp_context_t *);
    int (*encrypt)(esp_packet_t *, esp_context_t *, uint32_t spi);
    uint8_t (*get_next_header)(esp_packet_t *);
    ip_packet_t *(*get_payload)(esp_packet_t *);
    void *extract_payload;
    void (*destroy)(esp_packet_t *);
};
esp_packet_t *esp_packet_create_from_packet(packet_t *packet); /* takes the packet */
esp_packet_t *esp_packet_create_from_payload(host_t *source, host_t *destination, ip_packet_t *payload); /* the same */

#endif
