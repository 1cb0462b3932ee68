/* card: a PCI function that DPDK's own bus finds, and whose registers are somebody's functions.
 *
 * The bus reads the function from a folder (SYSFS_PCI_DEVICES) and maps nothing: no kernel driver has it. In place of the
 * library's, the rte_pci_map_device() here gives it a window that nobody may touch, so that each access of a driver is a
 * fault, and the one instruction that made it is carried out by the functions. x86-64 alone; a register is 32 bits wide.
 */
#ifndef DPDK_CARD_H
#define DPDK_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t card_read(uint32_t at);
typedef void card_write(uint32_t at, uint32_t word);

/* Before DPDK starts: the function whose window is said to be at this physical address, of so many octets. False if there
 * is no room for the window. */
bool card_insert(uint64_t address, size_t size, card_read *read, card_write *write);

/* Whether so many octets at this address are memory of DPDK's, which is what a card may touch. */
bool card_may_touch(uint64_t address, size_t size);

#endif
