/* A job blocks when its queue is empty, so it is executed exactly once per packet or event that is put into the queue. */
#include "instance.h"

#include <stdlib.h>

#include "layout.h"

/* What the scheduler was asked to do, soonest first. */
struct timer {
    struct timer *next;
    struct instance *owner;
    job_t *job;
    uint64_t due; /* seconds */
};

static struct instance *current;
static struct timer *timers;
static uint64_t now; /* seconds */

static void keep_job(processor_t *processor, job_t *job)
{
    (void)processor;
    for (int i = 0; i < JOBS; i++)
        if (current->jobs[i] == NULL) {
            current->jobs[i] = job;
            return;
        }
    abort(); /* a libipsec with more jobs is not this one */
}

static void keep_timer(scheduler_t *scheduler, job_t *job, uint32_t seconds)
{
    (void)scheduler;
    struct timer *timer = malloc(sizeof *timer), **at = &timers;
    if (timer == NULL)
        abort();
    *timer = (struct timer){NULL, current, job, now + seconds};
    while (*at != NULL && (*at)->due <= timer->due)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

static void execute(enum job_of which)
{
    job_t *job = current->jobs[which];
    job->execute(job);
}

static void (*relay_expire)(ipsec_event_relay_t *, uint8_t, uint32_t, host_t *, bool);

/* In front of the relay's own expire(), which only puts the event into a queue. */
static void expire(ipsec_event_relay_t *relay, uint8_t protocol, uint32_t spi, host_t *destination, bool hard)
{
    relay_expire(relay, protocol, spi, destination, hard);
    execute(EVENTS);
}

const char *instance_take_over(void)
{
    const char *differs = layout_of_libstrongswan();
    if (differs != NULL)
        return differs;
    lib->processor->queue_job = keep_job;
    lib->scheduler->schedule_job = keep_timer;
    return NULL;
}

const char *instance_start(struct instance *instance)
{
    current = instance;
    if (!libipsec_init())
        return "libipsec does not start";
    instance->ipsec = ipsec;
    const char *differs = layout_of_libipsec();
    if (differs != NULL)
        return differs;
    for (int i = 0; i < JOBS; i++)
        if (instance->jobs[i] == NULL)
            return "the jobs of libipsec";
    relay_expire = ipsec->events->expire;
    ipsec->events->expire = expire;
    return NULL;
}

void instance_use(struct instance *instance)
{
    current = instance;
    ipsec = instance->ipsec;
}

void instance_inbound(esp_packet_t *packet)
{
    ipsec->processor->queue_inbound(ipsec->processor, packet);
    execute(INBOUND);
}

void instance_outbound(ip_packet_t *packet)
{
    ipsec->processor->queue_outbound(ipsec->processor, packet);
    execute(OUTBOUND);
}

void instance_pass(uint64_t seconds)
{
    uint64_t until = now + seconds;
    while (timers != NULL && timers->due <= until) {
        struct timer *timer = timers;
        timers = timer->next;
        now = timer->due;
        instance_use(timer->owner);
        job_requeue_t next = timer->job->execute(timer->job);
        if (next.type == REQUEUE_SCHEDULE && next.unit == SCHEDULE_SECONDS)
            keep_timer(lib->scheduler, timer->job, next.time.seconds);
        else
            timer->job->destroy(timer->job);
        free(timer);
    }
    now = until;
}

void instance_forget_timers(void)
{
    while (timers != NULL) {
        struct timer *timer = timers;
        timers = timer->next;
        timer->job->destroy(timer->job);
        free(timer);
    }
}
