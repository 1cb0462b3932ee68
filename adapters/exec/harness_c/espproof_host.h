/* The part of espproof_harness.c that is about a host around ESP; nobody else includes it. See "A host" in PROTOCOL.md. */

struct espproof_told {
    cJSON *list; /* of packets and of events */
    cJSON *counters;
};

void espproof_emerges(struct espproof_told *told, const char *side, const uint8_t *packet, size_t size)
{
    cJSON *one = checked(cJSON_CreateObject());
    cJSON_AddItemToArray(told->list, with_octets(with_text(one, "side", side), "packet", packet, size));
}

void espproof_counts(struct espproof_told *told, const char *name, uint64_t count)
{
    if (count != 0)
        cJSON_AddNumberToObject(told->counters, name, (double)count);
}

void espproof_event(struct espproof_told *told, const char *kind, const char *sa, const char *policy)
{
    cJSON *one = checked(cJSON_CreateObject());
    cJSON_AddItemToArray(told->list, with_text(with_text(with_text(one, "kind", kind), "sa", sa), "policy", policy));
}

/* ------------------------------------------------------------------------------------------------- reading what is asked */

static const char *const *texts_of(struct reading *reading, const cJSON *object, const char *name, size_t *count)
{
    const cJSON *array = member(object, name), *one;
    const char **texts = allocate((size_t)cJSON_GetArraySize(array), sizeof *texts);
    own(reading, texts);
    *count = 0;
    cJSON_ArrayForEach(one, array)
    {
        if (!cJSON_IsString(one))
            reading->problem = name;
        else
            texts[(*count)++] = one->valuestring;
    }
    return texts;
}

static bool has_text(const char *const *texts, size_t count, const char *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(texts[i], wanted) == 0)
            return true;
    return false;
}

/* Absent or null: true. */
static bool flag_or_true(struct reading *reading, const cJSON *object, const char *name)
{
    return member(object, name) == NULL || flag_of(reading, object, name);
}

static void read_host(struct reading *reading, const cJSON *from, struct espproof_host *host)
{
    size_t blocked_count;
    const char *const *blocked = texts_of(reading, from, "blocked", &blocked_count);
    host->addresses = texts_of(reading, from, "addresses", &host->addresses_count);
    host->wire = texts_of(reading, from, "wire", &host->wire_count);
    host->blocks_in = has_text(blocked, blocked_count, "in");
    host->blocks_out = has_text(blocked, blocked_count, "out");
    host->blocks_forward = has_text(blocked, blocked_count, "forward");
    host->key_manager = flag_of(reading, from, "key_manager");
    host->forward = flag_or_true(reading, from, "forward");
    host->mtu_wire = (uint32_t)number_of(reading, member(from, "mtus"), "wire", 0);
    host->mtu_plain = (uint32_t)number_of(reading, member(from, "mtus"), "plain", 0);
    host->fragments = text_of(reading, from, "fragments", "outside");
    host->holds = (unsigned)number_of(reading, from, "holds", 0);
}

static const char *optional_text(struct reading *reading, const cJSON *from, const char *name)
{
    return member(from, name) ? text_of(reading, from, name, NULL) : NULL;
}

static struct espproof_ports ports_of(struct reading *reading, const cJSON *from)
{
    return (struct espproof_ports){
        .any = from == NULL,
        .first = (uint16_t)number_of(reading, from, "first", 0),
        .last = (uint16_t)number_of(reading, from, "last", 0),
    };
}

static struct espproof_traffic traffic_of(struct reading *reading, const cJSON *from)
{
    return (struct espproof_traffic){
        .version = (int)number_of(reading, from, "version", 0),
        .source = optional_text(reading, from, "source"),
        .destination = optional_text(reading, from, "destination"),
        .protocol = member(from, "protocol") ? (int)number_of(reading, from, "protocol", 0) : -1,
        .source_ports = ports_of(reading, member(from, "source_ports")),
        .destination_ports = ports_of(reading, member(from, "destination_ports")),
    };
}

static void read_templates(struct reading *reading, const cJSON *from, struct espproof_policy *policy)
{
    struct espproof_template *templates = allocate((size_t)cJSON_GetArraySize(from), sizeof *templates);
    own(reading, templates);
    size_t i = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, from)
    {
        templates[i++] = (struct espproof_template){
            .tunnel = strcmp(text_of(reading, one, "mode", NULL), "tunnel") == 0,
            .source = optional_text(reading, one, "source"),
            .destination = optional_text(reading, one, "destination"),
            .protocol = text_of(reading, one, "protocol", "esp"),
            .spi = (uint32_t)number_of(reading, one, "spi", 0),
            .reqid = (uint32_t)number_of(reading, one, "reqid", 0),
            .optional = flag_of(reading, one, "optional"),
        };
    }
    policy->templates = templates;
    policy->templates_count = i;
}

static void read_policy(struct reading *reading, const cJSON *from, struct espproof_policy *policy)
{
    const cJSON *lifetime = member(from, "lifetime");
    policy->name = text_of(reading, from, "name", NULL);
    policy->direction = text_of(reading, from, "direction", NULL);
    policy->traffic = traffic_of(reading, member(from, "selector"));
    policy->block = strcmp(text_of(reading, from, "action", "allow"), "block") == 0;
    policy->priority = (uint32_t)number_of(reading, from, "priority", 0);
    policy->if_id = (uint32_t)number_of(reading, from, "if_id", 0);
    policy->mark = mark_of(reading, member(from, "mark"));
    policy->soft_seconds = number_of(reading, lifetime, "soft_seconds", ESPPROOF_NO_LIMIT);
    policy->hard_seconds = number_of(reading, lifetime, "hard_seconds", ESPPROOF_NO_LIMIT);
    policy->icmp_errors = flag_of(reading, from, "icmp_errors");
    read_templates(reading, member(from, "templates"), policy);
}

/* -------------------------------------------------------------------------------------------------------- operations */

static cJSON *configure(Implementation *it, const cJSON *asked)
{
    struct reading reading = {0};
    struct espproof_answer answer = {0};
    struct espproof_host host = {0};
    if (it->host == NULL)
        return unsupported("host");
    read_host(&reading, asked, &host);
    cJSON *outcome = reading.problem ? problem_with(reading.problem)
                                     : told(it->host->configure(it->context, &host, &answer), &answer);
    release(&reading);
    return outcome;
}

static cJSON *add_policy(Implementation *it, const cJSON *request)
{
    struct reading reading = {0};
    struct espproof_answer answer = {0};
    struct espproof_policy policy = {0};
    read_policy(&reading, member(request, "policy"), &policy);
    bool replace = flag_of(&reading, request, "replace");
    cJSON *outcome = reading.problem
                         ? problem_with(reading.problem)
                         : told(it->host->add_policy(it->context, &policy, replace, &answer), &answer);
    release(&reading);
    return outcome;
}

static cJSON *delete_policy(Implementation *it, const cJSON *request)
{
    struct reading reading = {0};
    struct espproof_answer answer = {0};
    const char *name = text_of(&reading, request, "policy", NULL);
    return reading.problem ? problem_with("policy") : told(it->host->delete_policy(it->context, name, &answer), &answer);
}

/* The list under that name, if the callback has done it. */
static cJSON *told_list(enum espproof_result how, const char *kind, const char *name, struct espproof_told *list,
                        const struct espproof_answer *answer)
{
    if (how != ESPPROOF_DONE) {
        cJSON_Delete(list->list);
        return told(how, answer);
    }
    cJSON *outcome = result(kind);
    cJSON_AddItemToObject(outcome, name, list->list);
    return outcome;
}

static cJSON *enter(Implementation *it, const cJSON *request)
{
    struct reading reading = {0};
    struct espproof_answer answer = {0};
    struct espproof_enter step = {
        .side = text_of(&reading, request, "side", NULL),
        .packet = owned_octets(&reading, request, "packet", NULL),
        .mark = (uint32_t)number_of(&reading, request, "mark", 0),
        .segment = (unsigned)number_of(&reading, request, "segment", 0),
        .way = text_of(&reading, request, "way", ""),
        .layout = member(request, "layout") != NULL,
    };
    cJSON *outcome;
    if (reading.problem) {
        outcome = problem_with(reading.problem);
    } else {
        struct espproof_told emerged = {.list = checked(cJSON_CreateArray())};
        enum espproof_result how = it->host->enter(it->context, &step, &emerged, &answer);
        outcome = told_list(how, "emerged", "packets", &emerged, &answer);
    }
    release(&reading);
    return outcome;
}

static cJSON *read_events(Implementation *it)
{
    struct espproof_answer answer = {0};
    struct espproof_told events = {.list = checked(cJSON_CreateArray())};
    return told_list(it->host->read_events(it->context, &events, &answer), "events", "events", &events, &answer);
}

static cJSON *await_held(Implementation *it)
{
    struct espproof_answer answer = {0};
    struct espproof_told emerged = {.list = checked(cJSON_CreateArray())};
    return told_list(it->host->await_held(it->context, &emerged, &answer), "emerged", "packets", &emerged, &answer);
}

static cJSON *read_counters(Implementation *it)
{
    struct espproof_told counters = {.counters = checked(cJSON_CreateObject())};
    it->host->read_counters(it->context, &counters);
    cJSON *outcome = result("counters");
    cJSON_AddItemToObject(outcome, "values", counters.counters);
    return outcome;
}

static cJSON *flushed(void (*flush)(void *), void *context)
{
    flush(context);
    return result("done");
}

/* NULL for an operation that is none of a host's, or that it has not. */
static cJSON *carry_out_as_host(Implementation *it, const char *op, const cJSON *request)
{
    const struct espproof_host_operations *host = it->host;
    if (host == NULL)
        return NULL;
    if (strcmp(op, "add_policy") == 0 && host->add_policy)
        return add_policy(it, request);
    if (strcmp(op, "delete_policy") == 0 && host->delete_policy)
        return delete_policy(it, request);
    if (strcmp(op, "enter") == 0 && host->enter)
        return enter(it, request);
    if (strcmp(op, "read_counters") == 0 && host->read_counters)
        return read_counters(it);
    if (strcmp(op, "read_events") == 0 && host->read_events)
        return read_events(it);
    if (strcmp(op, "update_sa") == 0 && host->update_sa)
        return with_sa(host->update_sa, it->context, request);
    if (strcmp(op, "reserve_spi") == 0 && host->reserve_spi)
        return with_sa(host->reserve_spi, it->context, request);
    if (strcmp(op, "flush_sas") == 0 && host->flush_sas)
        return flushed(host->flush_sas, it->context);
    if (strcmp(op, "flush_policies") == 0 && host->flush_policies)
        return flushed(host->flush_policies, it->context);
    if (strcmp(op, "await_held") == 0 && host->await_held)
        return await_held(it);
    return NULL;
}
