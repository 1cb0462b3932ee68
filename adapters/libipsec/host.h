/* A gateway whose policies and SAs are those of one libipsec: charon's way of using it, with two directions.
 *
 * What libipsec leaves to its caller and the kernel around it is done here: packets that do not cross, the outer header,
 * hop limits. It never sees what arrives in the clear over the wire.
 */
#ifndef ESPPROOF_HOST_H
#define ESPPROOF_HOST_H

#include "associations.h"

/* Registers with the libipsec of `associations`, once. */
void host_start(struct associations *associations);

/* Forgets policies and events; behind associations_reset(). */
void host_reset(void);

extern const struct espproof_host_operations host_operations; /* their context is the associations */

#endif
