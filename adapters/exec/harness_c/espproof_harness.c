/* See espproof_harness.h. In this order: octets, reading members, the SA, answers, operations, lines. What is about a host
 * around ESP stands in espproof_host.h. */
#include "espproof_harness.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PROTOCOL 1

/* Out of memory is the end: there is nobody to tell. */
static void *checked(void *memory)
{
    if (memory == NULL) {
        fputs("espproof_harness: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static void *allocate(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1));
}

/* ------------------------------------------------------------------------------------------------------------ octets */

static int digit(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    return -1;
}

uint8_t *espproof_from_hex(const char *text, size_t *size)
{
    size_t length = text ? strlen(text) : 1;
    if (length % 2)
        return NULL;
    /* malloc, not a rounded-up pool: the block ends where the octets do */
    uint8_t *octets = checked(malloc(length / 2 ? length / 2 : 1));
    for (size_t i = 0; i < length / 2; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            free(octets);
            return NULL;
        }
        octets[i] = (uint8_t)(high << 4 | low);
    }
    *size = length / 2;
    return octets;
}

void espproof_to_hex(const uint8_t *octets, size_t size, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        *text++ = digits[octets[i] >> 4];
        *text++ = digits[octets[i] & 15];
    }
    *text = '\0';
}

/* --------------------------------------------------------------------------------------------------- reading members */

/* What is wrong with the request at hand, or NULL; everything that reads members may set it. */
struct reading {
    const char *problem;
    void *owned[64]; /* freed when the request is done */
    size_t owned_count;
};

static void own(struct reading *reading, void *memory)
{
    if (reading->owned_count == sizeof reading->owned / sizeof *reading->owned)
        abort(); /* an SA has far fewer members */
    reading->owned[reading->owned_count++] = memory;
}

static void release(struct reading *reading)
{
    for (size_t i = 0; i < reading->owned_count; i++)
        free(reading->owned[i]);
    reading->owned_count = 0;
}

static const cJSON *member(const cJSON *object, const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNull(found) ? NULL : found;
}

static const char *text_of(struct reading *reading, const cJSON *object, const char *name, const char *fallback)
{
    const cJSON *found = member(object, name);
    if (found == NULL && fallback != NULL)
        return fallback;
    if (!cJSON_IsString(found)) {
        reading->problem = name;
        return "";
    }
    return found->valuestring;
}

static uint64_t number_of(struct reading *reading, const cJSON *object, const char *name, uint64_t fallback)
{
    const cJSON *found = member(object, name);
    if (found == NULL)
        return fallback;
    if (!cJSON_IsNumber(found) || found->valuedouble < 0 || found->valuedouble > 9007199254740992.0) {
        reading->problem = name;
        return 0;
    }
    return (uint64_t)found->valuedouble;
}

static bool flag_of(struct reading *reading, const cJSON *object, const char *name)
{
    const cJSON *found = member(object, name);
    if (found != NULL && !cJSON_IsBool(found))
        reading->problem = name;
    return cJSON_IsTrue(found);
}

static struct espproof_octets octets_of(struct reading *reading, const char *text, const char *name)
{
    struct espproof_octets octets = {NULL, 0};
    uint8_t *block = espproof_from_hex(text, &octets.size);
    if (block == NULL)
        reading->problem = name;
    octets.at = block;
    return octets;
}

static struct espproof_octets owned_octets(struct reading *reading, const cJSON *object, const char *name,
                                           const char *fallback)
{
    struct espproof_octets octets = octets_of(reading, text_of(reading, object, name, fallback), name);
    own(reading, (void *)octets.at);
    return octets;
}

static uint64_t sequence_of(struct reading *reading, const cJSON *object, const char *name)
{
    const char *text = text_of(reading, object, name, "0000000000000000");
    char *end = NULL;
    uint64_t number = strtoull(text, &end, 16);
    if (strlen(text) != 16 || *end != '\0')
        reading->problem = name;
    return number;
}

/* ------------------------------------------------------------------------------------------------------------ the SA */

static void read_lifetime(struct reading *reading, const cJSON *from, struct espproof_lifetime *lifetime)
{
    lifetime->soft_packets = number_of(reading, from, "soft_packets", ESPPROOF_NO_LIMIT);
    lifetime->hard_packets = number_of(reading, from, "hard_packets", ESPPROOF_NO_LIMIT);
    lifetime->soft_octets = number_of(reading, from, "soft_octets", ESPPROOF_NO_LIMIT);
    lifetime->hard_octets = number_of(reading, from, "hard_octets", ESPPROOF_NO_LIMIT);
    lifetime->soft_seconds = number_of(reading, from, "soft_seconds", ESPPROOF_NO_LIMIT);
    lifetime->hard_seconds = number_of(reading, from, "hard_seconds", ESPPROOF_NO_LIMIT);
    lifetime->soft_use_seconds = number_of(reading, from, "soft_use_seconds", ESPPROOF_NO_LIMIT);
    lifetime->hard_use_seconds = number_of(reading, from, "hard_use_seconds", ESPPROOF_NO_LIMIT);
}

static struct espproof_mark mark_of(struct reading *reading, const cJSON *from)
{
    return (struct espproof_mark){
        .value = (uint32_t)number_of(reading, from, "value", 0),
        .mask = from == NULL ? 0 : (uint32_t)number_of(reading, from, "mask", UINT32_MAX),
    };
}

static void read_offsets(struct reading *reading, const cJSON *from, struct espproof_sa *sa)
{
    size_t count = (size_t)cJSON_GetArraySize(from), i = 0;
    uint64_t *offsets = allocate(count, sizeof *offsets);
    own(reading, offsets);
    const cJSON *one;
    cJSON_ArrayForEach(one, from)
    {
        if (!cJSON_IsNumber(one) || one->valuedouble < 0)
            reading->problem = "received_offsets";
        else
            offsets[i++] = (uint64_t)one->valuedouble;
    }
    sa->received_offsets = offsets;
    sa->received_offsets_count = i;
}

static void read_selectors(struct reading *reading, const cJSON *from, struct espproof_sa *sa)
{
    size_t count = (size_t)cJSON_GetArraySize(from), i = 0;
    struct espproof_selector *selectors = allocate(count, sizeof *selectors);
    own(reading, selectors);
    const cJSON *one;
    cJSON_ArrayForEach(one, from)
    {
        struct espproof_selector *selector = &selectors[i++];
        selector->source = member(one, "source") ? text_of(reading, one, "source", NULL) : NULL;
        selector->destination = member(one, "destination") ? text_of(reading, one, "destination", NULL) : NULL;
        selector->protocol = member(one, "protocol") ? (int)number_of(reading, one, "protocol", 0) : -1;
    }
    sa->selectors = selectors;
    sa->selectors_count = i;
}

static void read_sa(struct reading *reading, const cJSON *from, struct espproof_sa *sa)
{
    memset(sa, 0, sizeof *sa);
    if (!cJSON_IsObject(from)) {
        reading->problem = "sa";
        return;
    }
    sa->name = text_of(reading, from, "name", NULL);
    sa->inbound = strcmp(text_of(reading, from, "direction", NULL), "in") == 0;
    if (member(from, "spi") == NULL)
        reading->problem = "spi";
    sa->spi = (uint32_t)number_of(reading, from, "spi", 0);
    sa->tunnel = strcmp(text_of(reading, from, "mode", NULL), "tunnel") == 0;
    sa->source = text_of(reading, from, "source", NULL);
    sa->destination = text_of(reading, from, "destination", NULL);
    sa->encr = text_of(reading, from, "encr", NULL);
    sa->auth = text_of(reading, from, "auth", "NONE");
    sa->encr_key = owned_octets(reading, from, "encr_key", "");
    sa->salt = owned_octets(reading, from, "salt", "");
    sa->auth_key = owned_octets(reading, from, "auth_key", "");
    sa->esn = flag_of(reading, from, "esn");
    sa->sequence = sequence_of(reading, from, "sequence");
    sa->replay_window = (uint32_t)number_of(reading, from, "replay_window", 64);
    read_offsets(reading, member(from, "received_offsets"), sa);
    const cJSON *udp = member(from, "udp");
    sa->udp = udp != NULL;
    sa->udp_source_port = (uint16_t)number_of(reading, udp, "source_port", 4500);
    sa->udp_destination_port = (uint16_t)number_of(reading, udp, "destination_port", 4500);
    sa->dscp = cJSON_IsNumber(member(from, "dscp")) ? (int)number_of(reading, from, "dscp", 0) : -1;
    sa->ecn_compatibility = strcmp(text_of(reading, from, "ecn", "normal"), "compatibility") == 0;
    sa->df = text_of(reading, from, "df", "copy");
    sa->hop_limit = (unsigned)number_of(reading, from, "hop_limit", 64);
    sa->lookup = text_of(reading, from, "lookup", "spi");
    read_lifetime(reading, member(from, "lifetime"), &sa->lifetime);
    read_selectors(reading, member(from, "selectors"), sa);
    sa->resync_trigger = (uint32_t)number_of(reading, from, "resync_trigger", 16);
    sa->resync_limit = (uint32_t)number_of(reading, from, "resync_limit", 0);
    sa->reqid = (uint32_t)number_of(reading, from, "reqid", 0);
    sa->mark = mark_of(reading, member(from, "mark"));
    sa->if_id = (uint32_t)number_of(reading, from, "if_id", 0);
    sa->protocol = text_of(reading, from, "protocol", "esp");
}

/* ----------------------------------------------------------------------------------------------------------- answers */

static cJSON *result(const char *name)
{
    cJSON *answer = checked(cJSON_CreateObject());
    cJSON_AddStringToObject(answer, "result", name);
    return answer;
}

static cJSON *with_text(cJSON *answer, const char *name, const char *text)
{
    if (text != NULL)
        cJSON_AddStringToObject(answer, name, text);
    return answer;
}

static cJSON *with_octets(cJSON *answer, const char *name, const uint8_t *octets, size_t size)
{
    char *text = allocate(2 * size + 1, 1);
    espproof_to_hex(octets, size, text);
    cJSON_AddStringToObject(answer, name, text);
    free(text);
    return answer;
}

static cJSON *unsupported(const char *what)
{
    return with_text(result("unsupported"), "what", what ? what : "?");
}

static cJSON *told(enum espproof_result how, const struct espproof_answer *answer)
{
    switch (how) {
    case ESPPROOF_DONE:
        return result("done");
    case ESPPROOF_REFUSED:
        return with_text(result("refused"), "reason", answer->reason);
    case ESPPROOF_SENT:
        return with_octets(result("sent"), "packet", answer->packet, answer->size);
    case ESPPROOF_DELIVERED:
        return with_text(with_octets(result("delivered"), "packet", answer->packet, answer->size), "sa", answer->sa);
    case ESPPROOF_DROPPED:
        return with_text(result("dropped"), "reason", answer->reason);
    case ESPPROOF_PASSED_IKE:
        return with_text(result("passed"), "to", "ike");
    case ESPPROOF_PASSED_BYPASS:
        return with_text(result("passed"), "to", "bypass");
    case ESPPROOF_UNSUPPORTED:
        return unsupported(answer->reason);
    }
    return with_text(result("error"), "message", "a callback returned no result");
}

/* -------------------------------------------------------------------------------------------------------- operations */

typedef const struct espproof_implementation Implementation;

static cJSON *problem_with(const char *name)
{
    cJSON *answer = result("error");
    char text[128];
    snprintf(text, sizeof text, "member %s is missing or of the wrong type", name);
    return with_text(answer, "message", text);
}

static cJSON *hello(Implementation *it, const cJSON *request)
{
    const cJSON *offered;
    bool common = false;
    cJSON_ArrayForEach(offered, member(request, "protocols"))
    {
        common = common || (cJSON_IsNumber(offered) && offered->valueint == PROTOCOL);
    }
    if (!common)
        return with_text(result("refused"), "reason", "this harness speaks protocol 1");
    cJSON *capabilities = cJSON_Parse(it->capabilities);
    if (capabilities == NULL)
        return with_text(result("error"), "message", "the capabilities are not JSON");
    cJSON *answer = result("hello");
    cJSON_AddNumberToObject(answer, "protocol", PROTOCOL);
    with_text(with_text(answer, "name", it->name), "version", it->version);
    cJSON_AddTrueToObject(answer, "batch");
    cJSON_AddItemToObject(answer, "capabilities", capabilities);
    return answer;
}

static cJSON *with_sa(enum espproof_result (*take)(void *, const struct espproof_sa *, struct espproof_answer *),
                      void *context, const cJSON *request)
{
    struct reading reading = {0};
    struct espproof_answer answer = {0};
    struct espproof_sa sa;
    read_sa(&reading, member(request, "sa"), &sa);
    cJSON *outcome;
    if (reading.problem != NULL)
        outcome = problem_with(reading.problem);
    else if (!sa.tunnel && strcmp(text_of(&reading, member(request, "sa"), "mode", NULL), "transport") != 0)
        outcome = unsupported("mode");
    else
        outcome = told(take(context, &sa, &answer), &answer);
    release(&reading);
    return outcome;
}

static cJSON *delete_sa(Implementation *it, const cJSON *request)
{
    struct reading reading = {0};
    struct espproof_answer answer = {0};
    const char *name = text_of(&reading, request, "sa", NULL);
    return reading.problem ? problem_with("sa") : told(it->delete_sa(it->context, name, &answer), &answer);
}

static cJSON *outbound(Implementation *it, const cJSON *request)
{
    struct reading reading = {0};
    struct espproof_answer answer = {.packet = allocate(ESPPROOF_MAX_PACKET, 1)};
    struct espproof_outbound step = {
        .sa = text_of(&reading, request, "sa", NULL),
        .packet = owned_octets(&reading, request, "packet", NULL),
        .has_iv = member(request, "iv") != NULL,
        .iv = owned_octets(&reading, request, "iv", ""),
        .tfc = (unsigned)number_of(&reading, request, "tfc", 0),
        .dummy = flag_of(&reading, request, "dummy"),
    };
    cJSON *outcome =
        reading.problem ? problem_with(reading.problem) : told(it->outbound(it->context, &step, &answer), &answer);
    release(&reading);
    free(answer.packet);
    return outcome;
}

static cJSON *inbound(Implementation *it, const cJSON *request)
{
    struct reading reading = {0};
    struct espproof_answer answer = {.packet = allocate(ESPPROOF_MAX_PACKET, 1)};
    struct espproof_octets packet = owned_octets(&reading, request, "packet", NULL);
    cJSON *outcome =
        reading.problem ? problem_with(reading.problem) : told(it->inbound(it->context, packet, &answer), &answer);
    release(&reading);
    free(answer.packet);
    return outcome;
}

/* The packets of a burst, each a block of its own. */
static struct espproof_octets *read_burst(struct reading *reading, const cJSON *request, size_t *count)
{
    const cJSON *array = member(request, "packets"), *one;
    if (!cJSON_IsArray(array))
        reading->problem = "packets";
    struct espproof_octets *packets = allocate((size_t)cJSON_GetArraySize(array), sizeof *packets);
    *count = 0;
    cJSON_ArrayForEach(one, array)
    {
        packets[(*count)++] = octets_of(reading, cJSON_IsString(one) ? one->valuestring : NULL, "packets");
    }
    return packets;
}

/* One outcome per packet; or one for all, if a packet was refused or cannot be carried at all. */
static cJSON *told_burst(const enum espproof_result *results, const struct espproof_answer *answers, size_t count)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        if (results[i] == ESPPROOF_REFUSED || results[i] == ESPPROOF_UNSUPPORTED) {
            cJSON_Delete(list);
            return told(results[i], &answers[i]);
        }
        cJSON_AddItemToArray(list, told(results[i], &answers[i]));
    }
    cJSON *outcome = result("burst");
    cJSON_AddItemToObject(outcome, "results", list);
    return outcome;
}

static void carry_burst(Implementation *it, const char *sa, const struct espproof_octets *packets, size_t count, bool in,
                        enum espproof_result *results, struct espproof_answer *answers)
{
    if (in && it->inbound_burst) {
        it->inbound_burst(it->context, packets, count, results, answers);
    } else if (!in && it->outbound_burst) {
        it->outbound_burst(it->context, sa, packets, count, results, answers);
    } else {
        for (size_t i = 0; i < count; i++) {
            struct espproof_outbound step = {.sa = sa, .packet = packets[i]};
            results[i] = in ? it->inbound(it->context, packets[i], &answers[i])
                            : it->outbound(it->context, &step, &answers[i]);
        }
    }
}

static cJSON *burst(Implementation *it, const cJSON *request, bool in)
{
    struct reading reading = {0};
    size_t count;
    const char *sa = in ? "" : text_of(&reading, request, "sa", NULL);
    struct espproof_octets *packets = read_burst(&reading, request, &count);
    enum espproof_result *results = allocate(count, sizeof *results);
    struct espproof_answer *answers = allocate(count, sizeof *answers);
    for (size_t i = 0; i < count; i++)
        answers[i].packet = allocate(ESPPROOF_MAX_PACKET, 1);
    cJSON *outcome;
    if (reading.problem) {
        outcome = problem_with(reading.problem);
    } else {
        carry_burst(it, sa, packets, count, in, results, answers);
        outcome = told_burst(results, answers, count);
    }
    for (size_t i = 0; i < count; i++) {
        free((void *)packets[i].at);
        free(answers[i].packet);
    }
    free(packets);
    free(results);
    free(answers);
    return outcome;
}

static cJSON *read_state(Implementation *it, const cJSON *request)
{
    struct reading reading = {0};
    struct espproof_state state = {0};
    const char *name = text_of(&reading, request, "sa", NULL);
    if (reading.problem)
        return problem_with("sa");
    if (!it->read_state(it->context, name, &state))
        return with_text(result("refused"), "reason", "no such SA");
    cJSON *answer = result("state");
    if (state.has_sequence) {
        char text[17];
        snprintf(text, sizeof text, "%016" PRIx64, state.sequence);
        with_text(answer, "sequence", text);
    }
    if (state.received_offsets != NULL) {
        cJSON *list = cJSON_AddArrayToObject(answer, "received_offsets");
        for (size_t i = 0; i < state.received_offsets_count; i++)
            cJSON_AddItemToArray(list, cJSON_CreateNumber((double)state.received_offsets[i]));
        free(state.received_offsets);
    }
    if (state.has_packets)
        cJSON_AddNumberToObject(answer, "packets", (double)state.packets);
    if (state.has_octets)
        cJSON_AddNumberToObject(answer, "octets", (double)state.octets);
    return with_text(answer, "lifetime", state.lifetime);
}

#include "espproof_host.h"

static cJSON *reset(Implementation *it, const cJSON *request)
{
    const cJSON *host = member(request, "host");
    it->reset(it->context);
    return host == NULL ? result("done") : configure(it, host);
}

static cJSON *carry_out(Implementation *it, const cJSON *request)
{
    const cJSON *named = member(request, "op");
    const char *op = cJSON_IsString(named) ? named->valuestring : "?";
    if (strcmp(op, "reset") == 0)
        return reset(it, request);
    if (strcmp(op, "add_sa") == 0 && it->add_sa)
        return with_sa(it->add_sa, it->context, request);
    if (strcmp(op, "delete_sa") == 0 && it->delete_sa)
        return delete_sa(it, request);
    if (strcmp(op, "outbound") == 0 && it->outbound)
        return outbound(it, request);
    if (strcmp(op, "inbound") == 0 && it->inbound)
        return inbound(it, request);
    if (strcmp(op, "outbound_burst") == 0 && (it->outbound_burst || it->outbound))
        return burst(it, request, false);
    if (strcmp(op, "inbound_burst") == 0 && (it->inbound_burst || it->inbound))
        return burst(it, request, true);
    if (strcmp(op, "read_state") == 0 && it->read_state)
        return read_state(it, request);
    if (strcmp(op, "advance_time") == 0 && it->advance_time) {
        struct reading reading = {0};
        uint64_t seconds = number_of(&reading, request, "seconds", 0);
        if (reading.problem)
            return problem_with("seconds");
        it->advance_time(it->context, seconds);
        return result("done");
    }
    cJSON *of_host = carry_out_as_host(it, op, request);
    return of_host != NULL ? of_host : unsupported(op);
}

static cJSON *batch(Implementation *it, const cJSON *request)
{
    cJSON *answer = result("batch"), *list = cJSON_AddArrayToObject(answer, "results");
    const cJSON *step;
    cJSON_ArrayForEach(step, member(request, "steps"))
    {
        cJSON_AddItemToArray(list, carry_out(it, step));
    }
    return answer;
}

/* ------------------------------------------------------------------------------------------------------------- lines */

static cJSON *answer_to(Implementation *it, const char *line)
{
    cJSON *request = cJSON_Parse(line), *answer;
    const cJSON *op = member(request, "op");
    if (!cJSON_IsObject(request))
        answer = with_text(result("error"), "message", "the request is not a JSON object");
    else if (cJSON_IsString(op) && strcmp(op->valuestring, "hello") == 0)
        answer = hello(it, request);
    else if (cJSON_IsString(op) && strcmp(op->valuestring, "batch") == 0)
        answer = batch(it, request);
    else
        answer = carry_out(it, request);
    const cJSON *id = member(request, "id");
    cJSON_AddItemToObject(answer, "id", cJSON_IsNumber(id) ? cJSON_CreateNumber(id->valuedouble) : cJSON_CreateNull());
    cJSON_Delete(request);
    return answer;
}

int espproof_serve(const struct espproof_implementation *implementation, FILE *requests, FILE *answers)
{
    char *line = NULL;
    size_t room = 0;
    bool heard = true;
    while (heard && getline(&line, &room, requests) > 0) {
        cJSON *answer = answer_to(implementation, line);
        char *text = checked(cJSON_PrintUnformatted(answer));
        heard = fputs(text, answers) >= 0 && fputc('\n', answers) != EOF && fflush(answers) == 0;
        free(text);
        cJSON_Delete(answer);
    }
    free(line);
    return heard ? 0 : 1;
}
