/* See card.h. In this order: the instruction, the fault, the bus, memory. */
#define _GNU_SOURCE
#include "card.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <rte_bus_pci.h>
#include <rte_dev.h>
#include <rte_interrupts.h>
#include <rte_memory.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static struct {
    uint64_t address;
    size_t size;
    uint8_t *window;
    card_read *read;
    card_write *write;
} card;

/* ------------------------------------------------------------------------------------------------------ the instruction */

enum { PREFIX_REX = 0x40, REX_WIDE = 8, REX_REGISTER = 4 };
enum { LOAD = 0x8b, STORE = 0x89, STORE_IMMEDIATE = 0xc7 }; /* opcodes of mov with 32 bits */
static const uint8_t MOVDIRI[] = {0x0f, 0x38, 0xf9}; /* a store too: rte_write32_wc(), where the processor has it */

struct move {
    uint8_t opcode;
    int reg;            /* the register, by the number in the instruction */
    uint32_t immediate; /* of STORE_IMMEDIATE */
    size_t length;      /* octets of the instruction */
};

/* By number in instructions. */
static const int REGISTERS[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* Octets of ModRM and all that says where the operand in memory is. */
static size_t operand_length(const uint8_t *at)
{
    int mode = at[0] >> 6, base = at[0] & 7;
    size_t length = 1;
    if (base == 4) { /* a SIB octet follows, whose base can be a displacement too */
        base = at[1] & 7;
        length++;
    }
    if (mode == 1)
        return length + 1;
    return mode == 2 || base == 5 ? length + 4 : length;
}

/* False for what is no move of 32 bits between memory and a register, or of a constant. */
static bool decode(const uint8_t *code, struct move *move)
{
    const uint8_t *at = code;
    uint8_t rex = 0;
    if ((*at & 0xf0) == PREFIX_REX)
        rex = *at++;
    if (memcmp(at, MOVDIRI, sizeof MOVDIRI) == 0) {
        *move = (struct move){.opcode = STORE};
        at += sizeof MOVDIRI;
    } else {
        *move = (struct move){.opcode = *at++};
    }
    if ((rex & REX_WIDE) != 0 || at[0] >> 6 == 3)
        return false;
    move->reg = (at[0] >> 3 & 7) | ((rex & REX_REGISTER) != 0 ? 8 : 0);
    at += operand_length(at);
    if (move->opcode == STORE_IMMEDIATE) {
        memcpy(&move->immediate, at, sizeof move->immediate);
        at += sizeof move->immediate;
    }
    move->length = (size_t)(at - code);
    return move->opcode == LOAD || move->opcode == STORE || move->opcode == STORE_IMMEDIATE;
}

/* ------------------------------------------------------------------------------------------------------------ the fault */

static void no_move(const uint8_t *code)
{
    fprintf(stderr, "card: an access by something else than a move of 32 bits:");
    for (int i = 0; i < 12; i++)
        fprintf(stderr, " %02x", code[i]);
    fputc('\n', stderr);
    abort();
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)registers[REG_RIP]; /* NOLINT: an address */
    uintptr_t place = (uintptr_t)info->si_addr - (uintptr_t)card.window;
    int before = errno;
    struct move move;
    if (info->si_code <= 0 || place >= card.size) { /* somebody's signal, or somebody's mistake */
        signal(number, SIG_DFL);
        raise(number);
    }
    if (!decode(code, &move))
        no_move(code);
    greg_t *reg = &registers[REGISTERS[move.reg]];
    if (move.opcode == LOAD)
        *reg = (greg_t)card.read((uint32_t)place);
    else
        card.write((uint32_t)place, move.opcode == STORE ? (uint32_t)*reg : move.immediate);
    registers[REG_RIP] += (greg_t)move.length;
    errno = before;
}

bool card_insert(uint64_t address, size_t size, card_read *read, card_write *write)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    void *window = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (window == MAP_FAILED)
        return false;
    card.address = address;
    card.size = size;
    card.window = window;
    card.read = read;
    card.write = write;
    return sigaction(SIGSEGV, &action, NULL) == 0;
}

/* -------------------------------------------------------------------------------------------------------------- the bus */

/* What a function is made of only drivers know; its windows are of a type that everybody does, and one is known by its
 * address. */
int rte_pci_map_device(struct rte_pci_device *device)
{
    size_t room = malloc_usable_size(device);
    struct rte_mem_resource window;
    for (size_t at = 0; at + sizeof window <= room; at += sizeof(uint64_t)) {
        memcpy(&window, (uint8_t *)device + at, sizeof window);
        if (window.phys_addr == card.address && window.len == card.size) {
            window.addr = card.window;
            memcpy((uint8_t *)device + at, &window, sizeof window);
            return 0;
        }
    }
    return -ENODEV;
}

/* The card does not interrupt. Left as it is made, a handle would name descriptor 0, which DPDK's thread would listen to. */
struct rte_intr_handle *rte_intr_instance_alloc(uint32_t flags)
{
    struct rte_intr_handle *(*alloc)(uint32_t);
    *(void **)&alloc = dlsym(RTLD_NEXT, "rte_intr_instance_alloc");
    struct rte_intr_handle *made = alloc == NULL ? NULL : alloc(flags);
    if (made != NULL)
        rte_intr_fd_set(made, -1);
    return made;
}

/* --------------------------------------------------------------------------------------------------------------- memory */

bool card_may_touch(uint64_t address, size_t size)
{
    const void *at = (const void *)(uintptr_t)address; /* NOLINT: an address */
    const struct rte_memseg_list *list = rte_mem_virt2memseg_list(at);
    return list != NULL && address - (uint64_t)(uintptr_t)list->base_va + size <= list->len;
}
