/* See engine.h. */
#define _GNU_SOURCE
#include "engine.h"

#include <rte_cryptodev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ipsec_group.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { IV_SIZE = 16, DESCRIPTORS = 1024 };

/* "0@(2,5)": one logical core, on any of the processors that this process may use. */
static void one_core(char *text, size_t size)
{
    cpu_set_t allowed;
    size_t used = (size_t)snprintf(text, size, "0@(");
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        CPU_SET(0, &allowed);
    const char *between = "";
    for (int processor = 0; processor < CPU_SETSIZE && used + 8 < size; processor++) {
        if (!CPU_ISSET(processor, &allowed))
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%d", between, processor);
        between = ",";
    }
    snprintf(text + used, size - used, ")");
}

static bool failed(const char *what, int error)
{
    fprintf(stderr, "%s: %s\n", what, rte_strerror(error));
    return false;
}

static bool start_environment(const char *program, const char *device)
{
    char cores[512];
    one_core(cores, sizeof cores);
    const char *arguments[] = {program,      "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "-m", "64",
                               "--lcores",   cores,       "--vdev",   device,        "--log-level=*:error"};
    char *copies[sizeof arguments / sizeof *arguments]; /* rte_eal_init() keeps and reorders them */
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
        copies[i] = strdup(arguments[i]);
    if (rte_eal_init((int)(sizeof arguments / sizeof *arguments), copies) < 0)
        return failed("rte_eal_init", rte_errno);
    return true;
}

static bool make_pools(struct engine *engine)
{
    unsigned private_size = rte_cryptodev_sym_get_private_session_size(engine->device);
    engine->sessions =
        rte_cryptodev_sym_session_pool_create("sessions", ENGINE_SESSIONS, private_size, 0, 0, SOCKET_ID_ANY);
    engine->operations = rte_crypto_op_pool_create("operations", RTE_CRYPTO_OP_TYPE_SYMMETRIC, 2 * ENGINE_BURST, 0,
                                                   IV_SIZE, SOCKET_ID_ANY);
    engine->buffers = rte_pktmbuf_pool_create("buffers", 2 * ENGINE_BURST, 0, 0, UINT16_MAX, SOCKET_ID_ANY);
    if (engine->sessions == NULL || engine->operations == NULL || engine->buffers == NULL)
        return failed("pools", rte_errno);
    return true;
}

static bool start_device(struct engine *engine)
{
    struct rte_cryptodev_config config = {.nb_queue_pairs = 1, .ff_disable = RTE_CRYPTODEV_FF_ASYMMETRIC_CRYPTO};
    struct rte_cryptodev_qp_conf queue = {.nb_descriptors = DESCRIPTORS, .mp_session = engine->sessions};
    int error = rte_cryptodev_configure(engine->device, &config);
    if (error == 0)
        error = rte_cryptodev_queue_pair_setup(engine->device, 0, &queue, SOCKET_ID_ANY);
    if (error == 0)
        error = rte_cryptodev_start(engine->device);
    return error == 0 || failed("crypto device", -error);
}

bool engine_start(struct engine *engine, const char *program, const char *device)
{
    if (!start_environment(program, device))
        return false;
    int id = rte_cryptodev_get_dev_id(device);
    if (id < 0)
        return failed(device, ENODEV);
    struct rte_cryptodev_info info;
    rte_cryptodev_info_get((uint8_t)id, &info);
    *engine = (struct engine){.device = (uint8_t)id, .driver = info.driver_name};
    return make_pools(engine) && start_device(engine);
}

struct rte_mbuf *engine_buffer(struct engine *engine, const uint8_t *octets, size_t size)
{
    struct rte_mbuf *buffer = size <= ENGINE_PACKET ? rte_pktmbuf_alloc(engine->buffers) : NULL;
    if (buffer != NULL)
        memcpy(rte_pktmbuf_append(buffer, (uint16_t)size), octets, size);
    return buffer;
}

uint16_t engine_prepare(struct engine *engine, const struct rte_ipsec_session *session, struct rte_mbuf **buffers,
                        struct rte_crypto_op **operations, uint16_t count)
{
    rte_crypto_op_bulk_alloc(engine->operations, RTE_CRYPTO_OP_TYPE_SYMMETRIC, operations, count);
    /* rte_ipsec encrypts the IV of CBC modes as the first block, and wants a constant one in the operation */
    for (uint16_t i = 0; i < count; i++)
        memset((uint8_t *)operations[i] + ENGINE_IV_OFFSET, 0, IV_SIZE);
    return rte_ipsec_pkt_crypto_prepare(session, buffers, operations, count);
}

uint16_t engine_finish(struct engine *engine, struct rte_mbuf **buffers, struct rte_crypto_op **operations,
                       uint16_t count)
{
    struct rte_crypto_op *done[ENGINE_BURST];
    struct rte_ipsec_group groups[ENGINE_BURST];
    uint16_t sent = 0, received = 0, good = 0;
    while (received < count) {
        sent += rte_cryptodev_enqueue_burst(engine->device, 0, operations + sent, count - sent);
        received += rte_cryptodev_dequeue_burst(engine->device, 0, done + received, count - received);
    }
    uint16_t number =
        rte_ipsec_pkt_crypto_group((const struct rte_crypto_op **)(uintptr_t)done, buffers, groups, count);
    if (number == 1) /* all operations are of one session */
        good = rte_ipsec_pkt_process(groups[0].id.ptr, groups[0].m, (uint16_t)groups[0].cnt);
    return good;
}

uint16_t engine_run(struct engine *engine, const struct rte_ipsec_session *session, struct rte_mbuf **buffers,
                    uint16_t count)
{
    struct rte_crypto_op *operations[ENGINE_BURST];
    uint16_t prepared, good = 0;
    rte_errno = 0;
    if (session->type == RTE_SECURITY_ACTION_TYPE_CPU_CRYPTO) {
        prepared = rte_ipsec_pkt_cpu_prepare(session, buffers, count);
        return prepared == 0 ? 0 : rte_ipsec_pkt_process(session, buffers, prepared);
    }
    prepared = engine_prepare(engine, session, buffers, operations, count);
    if (prepared != 0)
        good = engine_finish(engine, buffers, operations, prepared);
    rte_mempool_put_bulk(engine->operations, (void **)operations, count);
    return good;
}
