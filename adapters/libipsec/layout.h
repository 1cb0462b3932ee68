/* Whether the libraries that are loaded look as strongswan.h says. */
#ifndef ESPPROOF_LAYOUT_H
#define ESPPROOF_LAYOUT_H

/* These name the first kind of object that has another number of methods than is declared; NULL if there is none. The
 * second is to be asked when libipsec is initialised. */
const char *layout_of_libstrongswan(void);
const char *layout_of_libipsec(void);

#endif
