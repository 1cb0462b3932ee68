/* The first words of an object are the addresses of its methods, and what follows them is none: it is an address in the
 * heap, or a number. So the methods that an object has can be counted without calling one.
 */
#define _GNU_SOURCE
#include "layout.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "strongswan.h"

enum { MOST_METHODS = 32 };

static size_t methods_of(const void *object)
{
    void *const *words = object;
    Dl_info where;
    size_t count = 0;
    while (count < MOST_METHODS && dladdr(words[count], &where) != 0)
        count++;
    return count;
}

#define DIFFERS(object) ((object) == NULL || methods_of(object) != sizeof *(object) / sizeof(void *))

const char *layout_of_libstrongswan(void)
{
    if (DIFFERS(lib->processor))
        return "processor_t";
    return DIFFERS(lib->scheduler) ? "scheduler_t" : NULL;
}

static const char *managers_differ(void)
{
    if (DIFFERS(ipsec->sas))
        return "ipsec_sa_mgr_t";
    if (DIFFERS(ipsec->policies))
        return "ipsec_policy_mgr_t";
    if (DIFFERS(ipsec->events))
        return "ipsec_event_relay_t";
    return DIFFERS(ipsec->processor) ? "ipsec_processor_t" : NULL;
}

static const char *packets_differ(host_t *host)
{
    static const uint8_t header[20] = {0x45, 0, 0, sizeof header};
    chunk_t octets = {malloc(sizeof header), sizeof header};
    if (octets.at == NULL)
        abort();
    for (size_t i = 0; i < sizeof header; i++)
        octets.at[i] = header[i];
    ip_packet_t *inner = ip_packet_create(octets);
    if (DIFFERS(inner))
        return "ip_packet_t";
    inner->destroy(inner);
    packet_t *packet = packet_create_from_data(host->clone(host), host->clone(host), (chunk_t){NULL, 0});
    if (DIFFERS(packet))
        return "packet_t";
    esp_packet_t *esp = esp_packet_create_from_packet(packet);
    if (DIFFERS(esp))
        return "esp_packet_t";
    esp->destroy(esp);
    traffic_selector_t *selector = traffic_selector_create_from_cidr("192.0.2.0/24", 0, 0, 65535);
    if (DIFFERS(selector))
        return "traffic_selector_t";
    selector->destroy(selector);
    return NULL;
}

static const char *sa_differs(host_t *host)
{
    static uint8_t key[20]; /* AES-GCM with a salt */
    lifetime_cfg_t unlimited = {0};
    ipsec_sa_mgr_t *sas = ipsec->sas;
    int status = sas->add_sa(sas, host, host, 1, PROTO_ESP, 1, (mark_t){0, 0}, 0, &unlimited, 20,
                             (chunk_t){key, sizeof key}, 1024, (chunk_t){NULL, 0}, MODE_TUNNEL, 0, 0, false, true,
                             false, true, false);
    ipsec_sa_t *sa = status == SUCCESS ? sas->checkout_by_reqid(sas, 1, true) : NULL;
    if (DIFFERS(sa))
        return "ipsec_sa_t";
    esp_context_t *context = sa->get_esp_context(sa);
    if (DIFFERS(context))
        return "esp_context_t";
    sas->checkin(sas, sa);
    sas->flush_sas(sas);
    return NULL;
}

const char *layout_of_libipsec(void)
{
    const char *differs = managers_differ();
    if (differs != NULL)
        return differs;
    host_t *host = host_create_from_string("192.0.2.1", 4500);
    if (DIFFERS(host))
        return "host_t";
    differs = packets_differ(host);
    if (differs == NULL)
        differs = sa_differs(host);
    host->destroy(host);
    return differs;
}
