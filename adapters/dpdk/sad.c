/* See sad.h. */
#include "sad.h"

#include <arpa/inet.h>
#include <rte_memory.h>
#include <stdlib.h>
#include <string.h>

static const char *const lookups[] = {
    [RTE_IPSEC_SAD_SPI_ONLY] = "spi",
    [RTE_IPSEC_SAD_SPI_DIP] = "spi+destination",
    [RTE_IPSEC_SAD_SPI_DIP_SIP] = "spi+destination+source",
};

bool sad_start(struct sad *sad, uint32_t most)
{
    struct rte_ipsec_sad_conf ipv4 = {.socket_id = SOCKET_ID_ANY, .max_sa = {most, most, most}};
    struct rte_ipsec_sad_conf ipv6 = ipv4;
    ipv6.flags = RTE_IPSEC_SAD_FLAG_IPV6;
    sad->tables[0] = rte_ipsec_sad_create("ipv4", &ipv4);
    sad->tables[1] = rte_ipsec_sad_create("ipv6", &ipv6);
    return sad->tables[0] != NULL && sad->tables[1] != NULL;
}

static int type_of(const char *lookup)
{
    for (int type = 0; type < RTE_IPSEC_SAD_KEY_TYPE_MASK; type++)
        if (strcmp(lookups[type], lookup) == 0)
            return type;
    return -1;
}

bool sad_knows(const char *lookup)
{
    return type_of(lookup) >= 0;
}

static void fill(struct sad_key *key, uint32_t spi, const uint8_t *source, const uint8_t *destination)
{
    if (key->ipv6) {
        key->key.v6.spi = spi;
        if (key->type != RTE_IPSEC_SAD_SPI_ONLY)
            memcpy(key->key.v6.dip, destination, 16);
        if (key->type == RTE_IPSEC_SAD_SPI_DIP_SIP)
            memcpy(key->key.v6.sip, source, 16);
    } else {
        key->key.v4.spi = spi;
        if (key->type != RTE_IPSEC_SAD_SPI_ONLY)
            memcpy(&key->key.v4.dip, destination, 4);
        if (key->type == RTE_IPSEC_SAD_SPI_DIP_SIP)
            memcpy(&key->key.v4.sip, source, 4);
    }
}

struct sad_key sad_key_of(bool ipv6, uint32_t spi, const uint8_t *source, const uint8_t *destination,
                          const char *lookup)
{
    struct sad_key key;
    memset(&key, 0, sizeof key); /* padding too: keys are compared octet by octet */
    key.ipv6 = ipv6;
    key.type = type_of(lookup);
    fill(&key, htonl(spi), source, destination);
    return key;
}

bool sad_keys_equal(const struct sad_key *one, const struct sad_key *other)
{
    return one->ipv6 == other->ipv6 && one->type == other->type && memcmp(&one->key, &other->key, sizeof one->key) == 0;
}

bool sad_add(struct sad *sad, const struct sad_key *key, void *sa)
{
    return rte_ipsec_sad_add(sad->tables[key->ipv6], &key->key, key->type, sa) == 0;
}

void sad_delete(struct sad *sad, const struct sad_key *key)
{
    rte_ipsec_sad_del(sad->tables[key->ipv6], &key->key, key->type);
}

/* Those of one IP version, in one call. */
static void find_in(struct rte_ipsec_sad *table, bool ipv6, const struct sad_question *questions, void **found,
                    size_t count)
{
    struct sad_key *keys = calloc(count, sizeof *keys);
    const union rte_ipsec_sad_key **asked = calloc(count, sizeof *asked);
    void **answers = calloc(count, sizeof *answers);
    size_t *places = calloc(count, sizeof *places), number = 0;
    if (keys == NULL || asked == NULL || answers == NULL || places == NULL)
        abort();
    for (size_t i = 0; i < count; i++) {
        if (questions[i].packet->ipv6 != ipv6)
            continue;
        uint32_t spi;
        memcpy(&spi, questions[i].esp, sizeof spi);
        keys[number] = (struct sad_key){.ipv6 = ipv6, .type = RTE_IPSEC_SAD_SPI_DIP_SIP};
        fill(&keys[number], spi, packet_source(questions[i].packet), packet_destination(questions[i].packet));
        asked[number] = &keys[number].key;
        places[number++] = i;
    }
    if (number != 0)
        rte_ipsec_sad_lookup(table, asked, answers, (uint32_t)number);
    for (size_t i = 0; i < number; i++)
        found[places[i]] = answers[i];
    free(keys);
    free(asked);
    free(answers);
    free(places);
}

void sad_find(const struct sad *sad, const struct sad_question *questions, void **found, size_t count)
{
    for (int ipv6 = 0; count != 0 && ipv6 < 2; ipv6++)
        find_in(sad->tables[ipv6], ipv6, questions, found, count);
}
