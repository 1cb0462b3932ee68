/* See survival.h. */
#include "survival.h"

#include <rte_cryptodev.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 10, OCTETS = 64 };

/* A few blocks in one direction; what they come out as is not looked at. */
static void process(const struct engine *engine, const struct espproof_sa *sa, bool inbound)
{
    struct transforms transforms;
    struct espproof_answer answer;
    if (transforms_make(sa, inbound, ENGINE_IV_OFFSET, engine->device, &transforms, &answer) != ESPPROOF_DONE)
        return;
    void *session = rte_cryptodev_sym_session_create(engine->device, transforms.first, engine->sessions);
    if (session == NULL)
        return;
    uint8_t octets[OCTETS] = {0}, iv[OCTETS] = {0}, digest[OCTETS] = {0};
    int32_t status = 0;
    struct rte_crypto_vec whole = {.base = octets, .len = sizeof octets};
    struct rte_crypto_sgl source = {.vec = &whole, .num = 1};
    struct rte_crypto_va_iova_ptr iv_at = {.va = iv}, digest_at = {.va = digest}, aad_at = {.va = NULL};
    struct rte_crypto_sym_vec request = {
        .num = 1, .src_sgl = &source, .iv = &iv_at, .digest = &digest_at, .aad = &aad_at, .status = &status};
    rte_cryptodev_sym_cpu_crypto_process(engine->device, session, (union rte_crypto_sym_ofs){0}, &request);
    rte_cryptodev_sym_session_free(engine->device, session);
}

/* The child: ends with 0, or dies. */
static void live(const struct engine *engine, size_t integrity)
{
    const struct rlimit no_core = {0, 0};
    struct espproof_sa sa;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(SECONDS);
    for (size_t cipher = 0; transforms_pair(cipher, integrity, &sa); cipher++) {
        process(engine, &sa, false);
        process(engine, &sa, true);
    }
    _exit(0);
}

void survival_try(struct survival *survival, const struct engine *engine)
{
    for (size_t integrity = 0; integrity < TRANSFORMS_INTEGRITY; integrity++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0)
            live(engine, integrity);
        survival->died[integrity] = child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status);
    }
}

bool survival_of(const struct survival *survival, const char *auth)
{
    struct espproof_sa sa;
    for (size_t integrity = 0; transforms_pair(0, integrity, &sa); integrity++)
        if (strcmp(sa.auth, auth) == 0)
            return !survival->died[integrity];
    return true;
}
