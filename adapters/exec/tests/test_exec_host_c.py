"""A host in C: what is asked reaches its callbacks whole, and what they tell comes back."""

import json
import subprocess
from pathlib import Path

import pytest

from espproof.adapters.exec.tests.test_exec_harness_c import FOLDER, SANITIZERS, missing, said

PROGRAM = r"""
#include <string.h>
#include "espproof_harness.h"

static void reset(void *context) { (void)context; }

static enum espproof_result configure(void *context, const struct espproof_host *host, struct espproof_answer *answer)
{
    (void)context;
    answer->reason = host->addresses_count == 1 && host->wire_count == 2 && strcmp(host->wire[1], "192.0.2.2") == 0 &&
                     host->blocks_in && !host->blocks_out && host->key_manager && !host->forward &&
                     host->mtu_wire == 1400 && host->mtu_plain == 0 && host->holds == 8 ? "as asked" : "otherwise";
    return ESPPROOF_REFUSED;
}

static enum espproof_result add_policy(void *context, const struct espproof_policy *policy, bool replace,
                                       struct espproof_answer *answer)
{
    (void)context;
    const struct espproof_traffic *of = &policy->traffic;
    const struct espproof_template *second = &policy->templates[1];
    answer->reason = replace && strcmp(policy->direction, "out") == 0 && policy->priority == 4294967295 &&
                     policy->mark.value == 1 && policy->mark.mask == 4294967295 && policy->hard_seconds == 7 &&
                     policy->soft_seconds == ESPPROOF_NO_LIMIT && of->version == 6 && of->source == NULL &&
                     strcmp(of->destination, "2001:db8::/32") == 0 && of->protocol == 0 && of->source_ports.any &&
                     of->destination_ports.last == 89 && policy->templates_count == 2 &&
                     !policy->templates[0].tunnel && policy->templates[0].source == NULL && second->tunnel &&
                     second->reqid == 258 && second->optional && strcmp(second->protocol, "esp") == 0
                         ? "as asked" : "otherwise";
    return ESPPROOF_REFUSED;
}

static enum espproof_result delete_policy(void *context, const char *name, struct espproof_answer *answer)
{
    (void)context, (void)answer;
    return strcmp(name, "p1") == 0 ? ESPPROOF_DONE : ESPPROOF_REFUSED;
}

static enum espproof_result enter(void *context, const struct espproof_enter *entering, struct espproof_told *emerged,
                                  struct espproof_answer *answer)
{
    (void)context, (void)answer;
    if (entering->layout || entering->segment || entering->way[0])
        return ESPPROOF_UNSUPPORTED;
    espproof_emerges(emerged, "wire", entering->packet.at, entering->packet.size);
    espproof_emerges(emerged, entering->side, entering->packet.at, 1);
    return ESPPROOF_DONE;
}

static void read_counters(void *context, struct espproof_told *counters)
{
    (void)context;
    espproof_counts(counters, "XfrmInNoStates", 3);
    espproof_counts(counters, "XfrmInError", 0);
}

static enum espproof_result read_events(void *context, struct espproof_told *events, struct espproof_answer *answer)
{
    (void)context, (void)answer;
    espproof_event(events, "soft", "sa0", NULL);
    espproof_event(events, "acquire", NULL, "p1");
    return ESPPROOF_DONE;
}

static enum espproof_result await_held(void *context, struct espproof_told *emerged, struct espproof_answer *answer)
{
    (void)context, (void)answer;
    espproof_emerges(emerged, "wire", (const uint8_t *)"E", 1);
    return ESPPROOF_DONE;
}

static enum espproof_result reserve_spi(void *context, const struct espproof_sa *sa, struct espproof_answer *answer)
{
    (void)context, (void)answer;
    return strcmp(sa->protocol, "ah") == 0 ? ESPPROOF_DONE : ESPPROOF_REFUSED;
}

static enum espproof_result update_sa(void *context, const struct espproof_sa *sa, struct espproof_answer *answer)
{
    (void)context, (void)answer;
    return sa->reqid == 258 && sa->if_id == 7 && sa->mark.mask == 255 && sa->lifetime.hard_use_seconds == 9
               ? ESPPROOF_DONE : ESPPROOF_REFUSED;
}

static void flush(void *context) { (void)context; }

int main(void)
{
    static const struct espproof_host_operations host = {
        .configure = configure, .add_policy = add_policy, .delete_policy = delete_policy, .enter = enter,
        .read_counters = read_counters, .read_events = read_events, .update_sa = update_sa,
        .reserve_spi = reserve_spi, .flush_sas = flush, .await_held = await_held,
    };
    const struct espproof_implementation it = {
        .name = "host", .version = "1", .capabilities = "{}", .reset = reset, .host = &host,
    };
    return espproof_serve(&it, stdin, stdout);
}
"""
_SA = (
    '{"name":"sa0","direction":"in","spi":258,"mode":"tunnel","source":"192.0.2.1","destination":"192.0.2.2",'
    '"encr":"ENCR_NULL","reqid":258,"if_id":7,"mark":{"value":1,"mask":255},"lifetime":{"hard_use_seconds":9}}'
)
REQUESTS = {
    '"op":"reset"': '"result":"done"',
    '"op":"reset","host":{"addresses":["192.0.2.1"],"wire":["192.0.2.3","192.0.2.2"],"blocked":["in"],"key_manager":true,'
    '"forward":false,"mtus":{"wire":1400},"holds":8}': '"result":"refused","reason":"as asked"',
    '"op":"add_policy","replace":true,"policy":{"name":"p1","direction":"out","priority":4294967295,"mark":{"value":1},'
    '"lifetime":{"hard_seconds":7},"selector":{"version":6,"destination":"2001:db8::/32","protocol":0,'
    '"destination_ports":{"first":80,"last":89}},"templates":[{"mode":"transport"},{"mode":"tunnel",'
    '"source":"192.0.2.1","destination":"192.0.2.2","reqid":258,"optional":true}]}':
        '"result":"refused","reason":"as asked"',
    '"op":"delete_policy","policy":"p1"': '"result":"done"',
    '"op":"delete_policy","policy":"p2"': '"result":"refused"',
    '"op":"enter","side":"plain","packet":"4501"':
        '"result":"emerged","packets":[{"side":"wire","packet":"4501"},{"side":"plain","packet":"45"}]',
    '"op":"enter","side":"plain","packet":"4501","layout":{"room":3}': '"result":"unsupported","what":"?"',
    '"op":"enter","side":"plain"': '"result":"error","message":"member packet is missing or of the wrong type"',
    '"op":"read_counters"': '"result":"counters","values":{"XfrmInNoStates":3}',
    '"op":"read_events"':
        '"result":"events","events":[{"kind":"soft","sa":"sa0"},{"kind":"acquire","policy":"p1"}]',
    f'"op":"update_sa","sa":{_SA}': '"result":"done"',
    f'"op":"reserve_spi","sa":{_SA}': '"result":"refused"',
    f'"op":"reserve_spi","sa":{_SA[:-1]},"protocol":"ah"}}': '"result":"done"',
    '"op":"await_held"': '"result":"emerged","packets":[{"side":"wire","packet":"45"}]',
    '"op":"flush_sas"': '"result":"done"',
    '"op":"flush_policies"': '"result":"unsupported","what":"flush_policies"',
    '"op":"enter_burst","packets":[]': '"result":"unsupported","what":"enter_burst"',
}  # fmt: skip


def test_a_host_in_c(tmp_path: Path) -> None:
    """Each operation, with every warning and sanitizer."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    source, program = tmp_path / "host.c", tmp_path / "host"
    source.write_text(PROGRAM, encoding="utf-8")
    files = [source, FOLDER / "espproof_harness.c"]
    subprocess.run(["gcc", *SANITIZERS.split(), f"-I{FOLDER}", *files, "-lcjson", "-o", program], check=True)
    told = said(program, *(f'{{"id":{number},{request}}}' for number, request in enumerate(REQUESTS, 1)))
    assert told == [json.loads(f'{{{answer},"id":{number}}}') for number, answer in enumerate(REQUESTS.values(), 1)]
