/*
 * The driver's end of a simulated card: SOCKET.md says what goes over the socket. Nothing of espproof is needed to
 * compile this; it is one header, in C11, for Linux.
 *
 *     card_connect        to `espproof device niantic --socket PATH`
 *     card_inherited      the card that is standard input, where espproof has started the driver
 *     card_read, _write   registers; also of configuration space and of the table of interrupts
 *     card_memory         memory that the card can read and write, and its address on the bus
 *     card_pause          the card's time goes on
 *     card_next           what the card or the stack says: frames, interrupts, requests
 *     card_say            an answer, or a frame for the wire
 *
 * What cannot go on ends the program, with a line on standard error.
 */
#ifndef ESPPROOF_CARD_H
#define ESPPROOF_CARD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum card_kind {
	/* driver to card */
	CARD_READ = 1, CARD_WRITE = 3, CARD_MEMORY = 4, CARD_PAUSE = 5,
	/* card to driver */
	CARD_VALUE = 2, CARD_INTERRUPT = 7, CARD_WRITTEN = 8,
	/* both: what comes from the wire, and what leaves */
	CARD_FRAME = 6,
	/* stack to driver */
	CARD_ADD = 16, CARD_DELETE = 17, CARD_CAN = 18, CARD_SEND = 19, CARD_RECEIVE = 20, CARD_RESET = 21,
	/* driver to stack */
	CARD_READY = 32, CARD_DONE = 33, CARD_REFUSED = 34, CARD_RECEIVED = 35,
};

enum card_window { CARD_REGISTERS = 0, CARD_INTERRUPT_TABLE = 4, CARD_CONFIGURATION = 255 };

/* Of CARD_READY: what driver and card do together. */
enum card_feature {
	CARD_IN_TRANSPORT = 1, CARD_IN_TUNNEL = 2, CARD_OUT_TRANSPORT = 4, CARD_OUT_TUNNEL = 8,
	CARD_AES_GCM = 16, CARD_AES_GMAC = 32,
};

/* Of CARD_RECEIVED: what the card has done to the packet. */
enum card_verdict { CARD_NOTHING, CARD_OPENED, CARD_FORGED, CARD_UNREADABLE };

#define CARD_NO_SA UINT32_MAX
#define CARD_LARGEST 65536 /* octets behind the head of a message */

/* Numbers have the least significant octet first, on the socket as in memory here. */
struct card_head {
	uint8_t kind, window;
	uint16_t size;
	uint32_t value;
	uint64_t at;
};

struct card_message {
	struct card_head head;
	uint8_t octets[CARD_LARGEST];
	size_t count;
};

/* CARD_ADD: an SA, as octets stand in packets. */
struct card_sa {
	uint8_t inbound, tunnel, family, esn;
	uint16_t cipher; /* of IKEv2: 20 AES-GCM, 21 AES-GMAC, both with an ICV of 16 octets */
	uint8_t key_size, udp;
	uint8_t spi[4], salt[4];
	uint8_t source[16], destination[16]; /* the first 4 of an IPv4 address */
	uint8_t key[32];
};

struct card_waiting {
	struct card_waiting *next;
	struct card_message message;
};

struct card {
	int socket;
	uint64_t free; /* the next address on the bus */
	struct card_waiting *first;
};

#define CARD_FIRST_ADDRESS 0x10000

static inline void card_fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

static inline void card_inherited(struct card *card)
{
	*card = (struct card){.socket = STDIN_FILENO, .free = CARD_FIRST_ADDRESS};
}

static inline void card_connect(struct card *card, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*card = (struct card){.socket = socket(AF_UNIX, SOCK_SEQPACKET, 0), .free = CARD_FIRST_ADDRESS};
	if (strlen(path) >= sizeof(address.sun_path))
		errno = ENAMETOOLONG, card_fail(path);
	strcpy(address.sun_path, path);
	if (card->socket < 0 || connect(card->socket, (struct sockaddr *)&address, sizeof(address)))
		card_fail(path);
}

/* A message with `count` octets behind it, and a file if `file` is not negative. */
static inline void card_tell(struct card *card, struct card_head head, const void *octets, size_t count, int file)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec parts[] = {{&head, sizeof(head)}, {(void *)octets, count}};
	struct msghdr whole = {.msg_iov = parts, .msg_iovlen = count ? 2 : 1};

	if (file >= 0) {
		whole.msg_control = &control;
		whole.msg_controllen = sizeof(control);
		control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
	}
	if (sendmsg(card->socket, &whole, MSG_NOSIGNAL) < 0)
		card_fail("the card's socket");
}

static inline void card_say(struct card *card, enum card_kind kind, uint32_t value, uint64_t at, const void *octets, size_t count)
{
	card_tell(card, (struct card_head){.kind = kind, .value = value, .at = at}, octets, count, -1);
}

/* The next message, whatever it is; false when the card has gone. */
static inline int card_hear(struct card *card, struct card_message *message)
{
	struct iovec parts[] = {{&message->head, sizeof(message->head)}, {message->octets, sizeof(message->octets)}};
	ssize_t size = readv(card->socket, parts, 2);

	if (size <= 0)
		return 0;
	if ((size_t)size < sizeof(message->head))
		errno = EPROTO, card_fail("the card's socket");
	message->count = (size_t)size - sizeof(message->head);
	return 1;
}

/* The next message: one that came while the card was accessed, or the next to come. */
static inline int card_next(struct card *card, struct card_message *message)
{
	struct card_waiting *first = card->first;

	if (!first)
		return card_hear(card, message);
	*message = first->message;
	card->first = first->next;
	free(first);
	return 1;
}

/* Say it, and wait for the answer; what else comes meanwhile is kept for card_next. */
static inline uint32_t card_ask(struct card *card, struct card_head head, enum card_kind answer)
{
	struct card_waiting **last = &card->first, *one;

	card_tell(card, head, NULL, 0, -1);
	while (*last)
		last = &(*last)->next;
	for (;;) {
		uint32_t value;

		if (!(one = calloc(1, sizeof(*one))))
			card_fail("memory");
		if (!card_hear(card, &one->message))
			errno = ECONNRESET, card_fail("the card's socket");
		if (one->message.head.kind == answer) {
			value = one->message.head.value;
			free(one);
			return value;
		}
		*last = one;
		last = &one->next;
	}
}

static inline uint32_t card_read_window(struct card *card, enum card_window window, uint64_t at, uint16_t size)
{
	return card_ask(card, (struct card_head){.kind = CARD_READ, .window = window, .size = size, .at = at}, CARD_VALUE);
}

/* The card has done all that it does because of it when this is over. */
static inline void card_write_window(struct card *card, enum card_window window, uint64_t at, uint16_t size, uint32_t value)
{
	card_ask(card, (struct card_head){.kind = CARD_WRITE, .window = window, .size = size, .value = value, .at = at}, CARD_WRITTEN);
}

static inline uint32_t card_read(struct card *card, uint32_t offset)
{
	return card_read_window(card, CARD_REGISTERS, offset, 4);
}

static inline void card_write(struct card *card, uint32_t offset, uint32_t word)
{
	card_write_window(card, CARD_REGISTERS, offset, 4, word);
}

static inline void card_pause(struct card *card, uint32_t microseconds)
{
	card_tell(card, (struct card_head){.kind = CARD_PAUSE, .value = microseconds}, NULL, 0, -1);
}

/* Zeroed memory of whole pages; `address` is where the card sees it. */
static inline uint8_t *card_memory(struct card *card, size_t size, uint64_t *address)
{
	int file = memfd_create("card", MFD_CLOEXEC);
	uint8_t *mine;

	size = (size + 4095) & ~(size_t)4095;
	if (file < 0 || ftruncate(file, (off_t)size))
		card_fail("memory");
	mine = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (mine == MAP_FAILED)
		card_fail("memory");
	*address = card->free;
	card->free += size + 4096; /* a page that is nobody's lies between */
	card_tell(card, (struct card_head){.kind = CARD_MEMORY, .at = *address}, NULL, 0, file);
	close(file);
	return mine;
}

#endif
