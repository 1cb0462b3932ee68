/* engine: DPDK's environment, one crypto device, and the way of a burst through rte_ipsec and that device. */
#ifndef DPDK_ENGINE_H
#define DPDK_ENGINE_H

#include <rte_crypto.h>
#include <rte_ipsec.h>
#include <rte_mbuf.h>

enum {
    ENGINE_BURST = 64,       /* most packets of one burst */
    ENGINE_SESSIONS = 1024,  /* crypto sessions at once */
    ENGINE_HEADROOM = 128,   /* octets of every buffer in front of the packet: outer headers, ESP header, IV */
    ENGINE_TAILROOM = 128,   /* behind it: padding, ICV, high sequence half, associated data */
    ENGINE_PACKET = UINT16_MAX - ENGINE_HEADROOM - ENGINE_TAILROOM, /* octets of the longest packet */
    ENGINE_IV_OFFSET = sizeof(struct rte_crypto_op) + sizeof(struct rte_crypto_sym_op), /* in an operation */
};

struct engine {
    uint8_t device;
    const char *driver;
    struct rte_mempool *sessions, *operations, *buffers;
};

/* Start DPDK without huge pages, PCI and shared files, with the one virtual crypto device. On failure says what went
 * wrong on standard error and returns false. */
bool engine_start(struct engine *engine, const char *program, const char *device);

/* A buffer with these octets in it, or NULL if they do not fit. Freed with rte_pktmbuf_free(). */
struct rte_mbuf *engine_buffer(struct engine *engine, const uint8_t *octets, size_t size);

/* Take a burst through rte_ipsec. The first so many buffers, in their order, are those that came out well; the order of
 * the others is rte_ipsec's. `count` is at most ENGINE_BURST. Why packets were not prepared is in rte_errno (0: all were). */
uint16_t engine_run(struct engine *engine, const struct rte_ipsec_session *session, struct rte_mbuf **buffers,
                    uint16_t count);

/* The two halves of that for lookaside sessions. Between them the operation can be looked at. */
uint16_t engine_prepare(struct engine *engine, const struct rte_ipsec_session *session, struct rte_mbuf **buffers,
                        struct rte_crypto_op **operations, uint16_t count);
uint16_t engine_finish(struct engine *engine, struct rte_mbuf **buffers, struct rte_crypto_op **operations,
                       uint16_t count);

#endif
