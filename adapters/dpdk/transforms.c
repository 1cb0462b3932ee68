/* See transforms.h. In this order: tables, making transforms, asking the device. */
#include "transforms.h"

#include <string.h>

enum kind { AEAD, CIPHER, GMAC };

/* Sizes in octets. `iv` is the IV of the crypto operation, not the one on the wire. */
struct encryption {
    const char *name;
    enum kind kind;
    int algorithm; /* of rte_crypto: AEAD, cipher or auth */
    uint8_t keys[3];
    uint8_t salt, iv, icv;
};

struct integrity {
    const char *name;
    enum rte_crypto_auth_algorithm algorithm;
    uint8_t key, icv;
};

static const struct encryption ENCRYPTION[] = {
    {"ENCR_AES_GCM_16", AEAD, RTE_CRYPTO_AEAD_AES_GCM, {16, 24, 32}, 4, 12, 16},
    {"ENCR_AES_GCM_12", AEAD, RTE_CRYPTO_AEAD_AES_GCM, {16, 24, 32}, 4, 12, 12},
    {"ENCR_AES_GCM_8", AEAD, RTE_CRYPTO_AEAD_AES_GCM, {16, 24, 32}, 4, 12, 8},
    {"ENCR_AES_CCM_16", AEAD, RTE_CRYPTO_AEAD_AES_CCM, {16, 24, 32}, 3, 11, 16},
    {"ENCR_AES_CCM_12", AEAD, RTE_CRYPTO_AEAD_AES_CCM, {16, 24, 32}, 3, 11, 12},
    {"ENCR_AES_CCM_8", AEAD, RTE_CRYPTO_AEAD_AES_CCM, {16, 24, 32}, 3, 11, 8},
    {"ENCR_CHACHA20_POLY1305", AEAD, RTE_CRYPTO_AEAD_CHACHA20_POLY1305, {32}, 4, 12, 16},
    {"ENCR_NULL_AUTH_AES_GMAC", GMAC, RTE_CRYPTO_AUTH_AES_GMAC, {16, 24, 32}, 4, 12, 16},
    {"ENCR_NULL", CIPHER, RTE_CRYPTO_CIPHER_NULL, {0}, 0, 0, 0},
    {"ENCR_AES_CBC", CIPHER, RTE_CRYPTO_CIPHER_AES_CBC, {16, 24, 32}, 0, 16, 0},
    {"ENCR_AES_CTR", CIPHER, RTE_CRYPTO_CIPHER_AES_CTR, {16, 24, 32}, 4, 16, 0},
    {"ENCR_3DES", CIPHER, RTE_CRYPTO_CIPHER_3DES_CBC, {24}, 0, 8, 0},
};
static const struct integrity INTEGRITY[] = {
    {"AUTH_HMAC_SHA1_96", RTE_CRYPTO_AUTH_SHA1_HMAC, 20, 12},
    {"AUTH_HMAC_SHA2_256_128", RTE_CRYPTO_AUTH_SHA256_HMAC, 32, 16},
    {"AUTH_HMAC_SHA2_384_192", RTE_CRYPTO_AUTH_SHA384_HMAC, 48, 24},
    {"AUTH_HMAC_SHA2_512_256", RTE_CRYPTO_AUTH_SHA512_HMAC, 64, 32},
    {"AUTH_HMAC_MD5_96", RTE_CRYPTO_AUTH_MD5_HMAC, 16, 12},
    {"AUTH_AES_XCBC_96", RTE_CRYPTO_AUTH_AES_XCBC_MAC, 16, 12},
    {"AUTH_AES_CMAC_96", RTE_CRYPTO_AUTH_AES_CMAC, 16, 12},
};
_Static_assert(sizeof INTEGRITY / sizeof *INTEGRITY == TRANSFORMS_INTEGRITY, "all of them, and no more");
enum { CCM_AAD_OFFSET = 18 }; /* rte_crypto: room for the first block in front of CCM's associated data */

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const struct encryption *encryption_named(const char *name)
{
    for (size_t i = 0; i < COUNT(ENCRYPTION); i++)
        if (strcmp(ENCRYPTION[i].name, name) == 0)
            return &ENCRYPTION[i];
    return NULL;
}

static const struct integrity *integrity_named(const char *name)
{
    for (size_t i = 0; i < COUNT(INTEGRITY); i++)
        if (strcmp(INTEGRITY[i].name, name) == 0)
            return &INTEGRITY[i];
    return NULL;
}

static bool has_key_size(const struct encryption *encryption, size_t size)
{
    for (size_t i = 0; i < COUNT(encryption->keys); i++)
        if (encryption->keys[i] == size && (i == 0 || size != 0))
            return true;
    return false;
}

/* ---------------------------------------------------------------------------------------------------------- transforms */

static void make_aead(const struct encryption *encryption, const struct espproof_sa *sa, bool inbound,
                      uint16_t iv_offset, struct rte_crypto_sym_xform *made)
{
    made->type = RTE_CRYPTO_SYM_XFORM_AEAD;
    made->aead.op = inbound ? RTE_CRYPTO_AEAD_OP_DECRYPT : RTE_CRYPTO_AEAD_OP_ENCRYPT;
    made->aead.algo = (enum rte_crypto_aead_algorithm)encryption->algorithm;
    made->aead.key.data = sa->encr_key.at;
    made->aead.key.length = (uint16_t)sa->encr_key.size;
    made->aead.iv.offset = iv_offset;
    made->aead.iv.length = encryption->iv;
    made->aead.digest_length = encryption->icv;
    made->aead.aad_length = sa->esn ? 12 : 8; /* SPI and sequence number */
}

static void make_gmac(const struct encryption *encryption, const struct espproof_sa *sa, bool inbound,
                      uint16_t iv_offset, struct rte_crypto_sym_xform *made)
{
    made->type = RTE_CRYPTO_SYM_XFORM_AUTH;
    made->auth.op = inbound ? RTE_CRYPTO_AUTH_OP_VERIFY : RTE_CRYPTO_AUTH_OP_GENERATE;
    made->auth.algo = RTE_CRYPTO_AUTH_AES_GMAC;
    made->auth.key.data = sa->encr_key.at;
    made->auth.key.length = (uint16_t)sa->encr_key.size;
    made->auth.iv.offset = iv_offset;
    made->auth.iv.length = encryption->iv;
    made->auth.digest_length = encryption->icv;
}

static void make_cipher(const struct encryption *encryption, const struct espproof_sa *sa, bool inbound,
                        uint16_t iv_offset, struct rte_crypto_sym_xform *made)
{
    made->type = RTE_CRYPTO_SYM_XFORM_CIPHER;
    made->cipher.op = inbound ? RTE_CRYPTO_CIPHER_OP_DECRYPT : RTE_CRYPTO_CIPHER_OP_ENCRYPT;
    made->cipher.algo = (enum rte_crypto_cipher_algorithm)encryption->algorithm;
    made->cipher.key.data = sa->encr_key.at;
    made->cipher.key.length = (uint16_t)sa->encr_key.size;
    made->cipher.iv.offset = iv_offset;
    made->cipher.iv.length = encryption->iv;
}

static void make_integrity(const struct integrity *integrity, const struct espproof_sa *sa, bool inbound,
                           struct rte_crypto_sym_xform *made)
{
    made->type = RTE_CRYPTO_SYM_XFORM_AUTH;
    made->auth.op = inbound ? RTE_CRYPTO_AUTH_OP_VERIFY : RTE_CRYPTO_AUTH_OP_GENERATE;
    made->auth.algo = integrity->algorithm;
    made->auth.key.data = sa->auth_key.at;
    made->auth.key.length = (uint16_t)sa->auth_key.size;
    made->auth.digest_length = integrity->icv;
}

/* The order that rte_ipsec asks for: inbound verifies first, outbound encrypts first. */
static void chain(struct transforms *made, bool cipher, bool auth, bool inbound)
{
    struct rte_crypto_sym_xform *front = inbound ? &made->auth : &made->cipher;
    struct rte_crypto_sym_xform *back = inbound ? &made->cipher : &made->auth;
    if (cipher && auth) {
        front->next = back;
        made->first = front;
    } else {
        made->first = cipher ? &made->cipher : &made->auth;
    }
}

/* ---------------------------------------------------------------------------------------------------------- the device */

static bool device_has(uint8_t device, const struct rte_crypto_sym_xform *xform)
{
    struct rte_cryptodev_sym_capability_idx index = {.type = xform->type};
    const struct rte_cryptodev_symmetric_capability *capability;
    switch (xform->type) {
    case RTE_CRYPTO_SYM_XFORM_AEAD:
        index.algo.aead = xform->aead.algo;
        capability = rte_cryptodev_sym_capability_get(device, &index);
        return capability != NULL && rte_cryptodev_sym_capability_check_aead(
                                         capability, xform->aead.key.length, xform->aead.digest_length,
                                         xform->aead.aad_length, xform->aead.iv.length) == 0;
    case RTE_CRYPTO_SYM_XFORM_CIPHER:
        index.algo.cipher = xform->cipher.algo;
        capability = rte_cryptodev_sym_capability_get(device, &index);
        return capability != NULL && rte_cryptodev_sym_capability_check_cipher(capability, xform->cipher.key.length,
                                                                               xform->cipher.iv.length) == 0;
    case RTE_CRYPTO_SYM_XFORM_AUTH:
        index.algo.auth = xform->auth.algo;
        capability = rte_cryptodev_sym_capability_get(device, &index);
        return capability != NULL &&
               rte_cryptodev_sym_capability_check_auth(capability, xform->auth.key.length, xform->auth.digest_length,
                                                       xform->auth.iv.length) == 0;
    default:
        return false;
    }
}

static enum espproof_result no(enum espproof_result result, const char *reason, struct espproof_answer *answer)
{
    answer->reason = reason;
    return result;
}

enum espproof_result transforms_make(const struct espproof_sa *sa, bool inbound, uint16_t iv_offset, uint8_t device,
                                     struct transforms *made, struct espproof_answer *answer)
{
    const struct encryption *encryption = encryption_named(sa->encr);
    const struct integrity *integrity = integrity_named(sa->auth);
    bool none = strcmp(sa->auth, "NONE") == 0;
    if (encryption == NULL)
        return no(ESPPROOF_UNSUPPORTED, sa->encr, answer);
    if (integrity == NULL && !none)
        return no(ESPPROOF_UNSUPPORTED, sa->auth, answer);
    if (sa->salt.size != encryption->salt || (none && sa->auth_key.size != 0))
        return no(ESPPROOF_UNSUPPORTED, "a salt of another size, or a key without an algorithm", answer);

    bool usual = has_key_size(encryption, sa->encr_key.size) && (none || sa->auth_key.size == integrity->key);
    *made = (struct transforms){0};
    memcpy(&made->salt, sa->salt.at, sa->salt.size);
    if (encryption->kind == GMAC && !none)
        return no(ESPPROOF_UNSUPPORTED, "two integrity algorithms", answer);
    if (encryption->kind == AEAD)
        make_aead(encryption, sa, inbound, iv_offset, &made->cipher);
    else if (encryption->kind == GMAC)
        make_gmac(encryption, sa, inbound, iv_offset, &made->auth);
    else
        make_cipher(encryption, sa, inbound, iv_offset, &made->cipher);
    if (!none)
        make_integrity(integrity, sa, inbound, &made->auth);
    chain(made, encryption->kind != GMAC, encryption->kind == GMAC || !none, inbound);
    for (const struct rte_crypto_sym_xform *xform = made->first; xform != NULL; xform = xform->next)
        if (!device_has(device, xform))
            return no(usual ? ESPPROOF_UNSUPPORTED : ESPPROOF_REFUSED, "the crypto device has no such algorithm", answer);
    return ESPPROOF_DONE;
}

bool transforms_pair(size_t cipher, size_t integrity, struct espproof_sa *sa)
{
    static const uint8_t key[ESPPROOF_MAX_KEY];
    if (integrity >= COUNT(INTEGRITY))
        return false;
    for (size_t i = 0; i < COUNT(ENCRYPTION); i++)
        if (ENCRYPTION[i].kind == CIPHER && cipher-- == 0) {
            *sa = (struct espproof_sa){.encr = ENCRYPTION[i].name,
                                       .encr_key = {key, ENCRYPTION[i].keys[0]},
                                       .salt = {key, ENCRYPTION[i].salt},
                                       .auth = INTEGRITY[integrity].name,
                                       .auth_key = {key, INTEGRITY[integrity].key}};
            return true;
        }
    return false;
}

size_t transforms_aad_sequence(const struct transforms *made)
{
    return 4 + (made->cipher.aead.algo == RTE_CRYPTO_AEAD_AES_CCM ? CCM_AAD_OFFSET : 0);
}
