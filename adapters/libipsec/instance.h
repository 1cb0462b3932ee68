/* libipsec in the caller's thread, and in time that the caller tells.
 *
 * libipsec leaves its work to libstrongswan's processor, a pool of threads, and its waiting to the scheduler. Here both
 * are replaced: a job is executed when there is something in its queue, and a timer when the clock is moved. What the
 * jobs do is libipsec's own.
 */
#ifndef ESPPROOF_INSTANCE_H
#define ESPPROOF_INSTANCE_H

#include "strongswan.h"

/* In the order in which libipsec_init() gives them to the processor. */
enum job_of { EVENTS, INBOUND, OUTBOUND, JOBS };

/* One libipsec: an SAD, an SPD, and what works on them. */
struct instance {
    ipsec_t *ipsec;
    job_t *jobs[JOBS];
};

/* Before the first instance: takes the place of processor and scheduler. NULL, or what is other than it should be. */
const char *instance_take_over(void);

/* Makes one and uses it. NULL, or what is other than it should be. */
const char *instance_start(struct instance *instance);

/* From now on everything is done by this one. */
void instance_use(struct instance *instance);

/* Of the instance in use: `packet` is taken; the callbacks that are registered have been called when these return. */
void instance_inbound(esp_packet_t *packet);
void instance_outbound(ip_packet_t *packet);

/* Of all instances: so many seconds pass; or all timers are forgotten. */
void instance_pass(uint64_t seconds);
void instance_forget_timers(void);

#endif
