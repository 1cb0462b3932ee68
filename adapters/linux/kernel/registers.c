/* Stands before user-mode Linux' ptrace(): all of a process's extended registers are set, where the kernel sets a part.
   Why: registers.py. A kernel has one thread that traces. */

#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <linux/ptrace.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned char all[1 << 16]; /* of the process that is traced; octets */
static size_t length;              /* of what is all, once it is known; a smaller part is not taken */

static long set(pid_t process, struct iovec *part)
{
    if (length == 0 || part->iov_len >= length) {
        long result = syscall(SYS_ptrace, PTRACE_SETREGSET, process, NT_X86_XSTATE, part);
        if (result >= 0 || errno != EFAULT)
            return result;
    }
    struct iovec whole = {all, sizeof all};
    if (syscall(SYS_ptrace, PTRACE_GETREGSET, process, NT_X86_XSTATE, &whole) < 0)
        return -1;
    if (part->iov_len >= whole.iov_len || whole.iov_len >= sizeof all) {
        errno = EFAULT;
        return -1;
    }
    length = whole.iov_len;
    memcpy(all, part->iov_base, part->iov_len);
    return syscall(SYS_ptrace, PTRACE_SETREGSET, process, NT_X86_XSTATE, &whole);
}

/* As the C library's, which hands over the word that is read. */
long ptrace(int request, pid_t process, void *address, void *data)
{
    long word = 0;
    switch (request) {
    case PTRACE_PEEKTEXT:
    case PTRACE_PEEKDATA:
    case PTRACE_PEEKUSR:
        if (syscall(SYS_ptrace, request, process, address, &word) < 0)
            return -1;
        errno = 0;
        return word;
    case PTRACE_SETREGSET:
        if (address == (void *)NT_X86_XSTATE)
            return set(process, data);
        /* fall through */
    default:
        return syscall(SYS_ptrace, request, process, address, data);
    }
}
