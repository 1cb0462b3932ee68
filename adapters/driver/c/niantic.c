/*
 * An example of a driver: SAs of ESP for the model of Intel's X550, in C.
 *
 *     driver SOCKET     espproof device niantic --socket SOCKET runs: bring up an SA each way, send one packet, take it
 *                       back from the wire, see that it is what it was, take the SAs down
 *     driver            espproof has started it, and the stack says what is to be done: espproof run niantic:./driver
 *
 * Numbers of sections are those of the X550's data sheet. What the card cannot do is refused, and the stack does it.
 */
#include "espproof_card.h"

#include <stdbool.h>

/* ------------------------------------------------------------------------------------------------------- registers */

#define CTRL 0x00000
#define CTRL_RST (1u << 26)
#define HLREG0 0x04240
#define HLREG0_TXCRCEN (1u << 0)
#define HLREG0_RXCRCSTRP (1u << 1)
#define HLREG0_JUMBOEN (1u << 2)
#define HLREG0_LPBK (1u << 15)
#define MAXFRS 0x04268
#define LINKS 0x042A4
#define LINKS_UP (1u << 30)
#define MACC 0x04330
#define MACC_FLU (1u << 0)

#define RDBAL 0x01000
#define RDBAH 0x01004
#define RDLEN 0x01008
#define SRRCTL 0x01014
#define SRRCTL_2K_ADVANCED (2u | 1u << 25)
#define RDT 0x01018
#define RXDCTL 0x01028
#define RXCTRL 0x03000
#define DMATXCTL 0x04A80
#define TDBAL 0x06000
#define TDBAH 0x06004
#define TDLEN 0x06008
#define TDT 0x06018
#define TXDCTL 0x06028
#define QUEUE_ENABLE (1u << 25)

#define SECTXCTRL 0x08800
#define SECTXSTAT 0x08804
#define SECTXBUFFAF 0x08808
#define SECTXMINIFG 0x08810
#define SECRXCTRL 0x08D00
#define SECRXSTAT 0x08D04
#define SEC_DIS (1u << 0)        /* of both CTRLs: the engine is off */
#define SEC_STOP (1u << 1)       /* TX_DIS, RX_DIS: the data path is stopped */
#define SECTX_STORE_FORWARD (1u << 2)
#define SEC_RDY (1u << 0)        /* of both STATs: the data path is empty */
#define SEC_OFF_DIS (1u << 1)    /* there is no engine in this chip */

#define IPSTXIDX 0x08900
#define IPSTXSALT 0x08904
#define IPSTXKEY 0x08908
#define IPSRXIDX 0x08E00
#define IPSRXIPADDR 0x08E04
#define IPSRXSPI 0x08E14
#define IPSRXIPIDX 0x08E18
#define IPSRXKEY 0x08E1C
#define IPSRXSALT 0x08E2C
#define IPSRXMOD 0x08E30
#define IPS_EN (1u << 0)
#define IPS_READ (1u << 30)
#define IPS_WRITE (1u << 31)
#define IPS_INDEX(index) ((uint32_t)(index) << 3)
enum { ADDRESS_TABLE = 1 << 1, SPI_TABLE = 2 << 1, KEY_TABLE = 3 << 1 };
enum { MOD_VALID = 1 << 0, MOD_ESP = 1 << 2, MOD_DECRYPT = 1 << 3, MOD_IPV6 = 1 << 4 };
#define BMCIP 0x05050
#define BMCIPVAL 0x05060

/* ----------------------------------------------------------------------------------------------------- descriptors */

#define RING 64
#define DESCRIPTOR 16
#define TX_BUFFER 10240
#define RX_BUFFER 2048
#define LARGEST_FRAME 9728
#define CRC 4
#define ETHERNET 14

#define TYPE_CONTEXT (2u << 20 | 1u << 29)
#define CONTEXT_IPV4 (1u << 10)
#define CONTEXT_TCP (1u << 11)
#define CONTEXT_ESP (1u << 13)
#define CONTEXT_ENCRYPT (1u << 14)
#define TYPE_DATA (3u << 20 | 1u << 29)
#define DATA_EOP (1u << 24)
#define DATA_IFCS (1u << 25)
#define DATA_RS (1u << 27)
#define DATA_CHECK_CONTEXT (1u << 7)
#define DATA_IPSEC (1u << 10)
#define DONE (1u << 0)
#define REPORT_EOP (1u << 1)
#define REPORT_SECP (1u << 17)
#define REPORT_SECERR(status) ((status) >> 27 & 3)

/* --------------------------------------------------------------------------------------------------------- the card */

#define SAS 1024
#define ADDRESSES 128
#define POLLS 20
#define POLL_MICROSECONDS 10000
#define GCM 20
#define GMAC 21
#define PROTOCOL_ESP 50
#define INBOUND (1u << 31) /* of a handle; the rest is the place in the tables */

struct sa {
	bool used, encrypt;
	uint8_t family, spi[4], address[16]; /* as the table has it: an IPv4 address stands last */
	uint8_t key[16], salt[4];
};

struct driver {
	struct card card;
	struct sa tx[SAS], rx[SAS];
	int used_tx, used_rx;
	uint8_t addresses[ADDRESSES][16];
	int users[ADDRESSES]; /* SAs that point to it */
	uint8_t *tx_ring, *rx_ring, *tx_buffers, *rx_buffers;
	uint64_t tx_ring_at, rx_ring_at, tx_buffers_at, rx_buffers_at;
	unsigned next_tx, next_rx;
};

static uint32_t most_first(const uint8_t *octets)
{
	return (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 | octets[3];
}

static uint32_t least_first(const uint8_t *octets)
{
	return __builtin_bswap32(most_first(octets));
}

static void put_32(uint8_t *at, uint32_t word)
{
	memcpy(at, &word, sizeof(word));
}

static void put_64(uint8_t *at, uint64_t word)
{
	memcpy(at, &word, sizeof(word));
}

static uint32_t get_32(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static void change(struct driver *driver, uint32_t offset, uint32_t clear, uint32_t set)
{
	card_write(&driver->card, offset, (card_read(&driver->card, offset) & ~clear) | set);
}

/* ------------------------------------------------------------------------------------------- tables (7.13.5, 7.13.9) */

static void write_key_words(struct driver *driver, uint32_t offset, const uint8_t *key)
{
	for (int n = 0; n < 4; n++)
		card_write(&driver->card, offset + 4 * (3 - n), most_first(key + 4 * n));
}

static uint32_t lookup(struct driver *driver, uint32_t offset)
{
	return card_read(&driver->card, offset) & IPS_EN;
}

static void write_tx(struct driver *driver, unsigned index, const uint8_t *key, const uint8_t *salt)
{
	write_key_words(driver, IPSTXKEY, key);
	card_write(&driver->card, IPSTXSALT, most_first(salt));
	card_write(&driver->card, IPSTXIDX, lookup(driver, IPSTXIDX) | IPS_INDEX(index) | IPS_WRITE);
}

static void write_address(struct driver *driver, unsigned slot, const uint8_t *address)
{
	for (int n = 0; n < 4; n++)
		card_write(&driver->card, IPSRXIPADDR + 4 * n, least_first(address + 4 * n));
	card_write(&driver->card, IPSRXIDX, lookup(driver, IPSRXIDX) | ADDRESS_TABLE | IPS_INDEX(slot) | IPS_WRITE);
}

static void write_spi(struct driver *driver, unsigned index, const uint8_t *spi, unsigned slot)
{
	card_write(&driver->card, IPSRXSPI, least_first(spi));
	card_write(&driver->card, IPSRXIPIDX, slot);
	card_write(&driver->card, IPSRXIDX, lookup(driver, IPSRXIDX) | SPI_TABLE | IPS_INDEX(index) | IPS_WRITE);
}

static void write_key(struct driver *driver, unsigned index, uint32_t mode, const uint8_t *key, const uint8_t *salt)
{
	write_key_words(driver, IPSRXKEY, key);
	card_write(&driver->card, IPSRXSALT, most_first(salt));
	card_write(&driver->card, IPSRXMOD, mode);
	card_write(&driver->card, IPSRXIDX, lookup(driver, IPSRXIDX) | KEY_TABLE | IPS_INDEX(index) | IPS_WRITE);
}

static const uint8_t nothing[16];

/* The registers carry a key until something else is written. */
static void blank_registers(struct driver *driver)
{
	write_key_words(driver, IPSTXKEY, nothing);
	card_write(&driver->card, IPSTXSALT, 0);
	write_key_words(driver, IPSRXKEY, nothing);
	card_write(&driver->card, IPSRXSALT, 0);
	card_write(&driver->card, IPSRXIDX, lookup(driver, IPSRXIDX) | ADDRESS_TABLE | IPS_READ);
}

static void write_rx(struct driver *driver, unsigned index, unsigned slot)
{
	const struct sa *sa = &driver->rx[index];
	uint32_t mode = MOD_VALID | MOD_ESP | (sa->encrypt ? MOD_DECRYPT : 0) | (sa->family == 6 ? MOD_IPV6 : 0);

	write_spi(driver, index, sa->spi, slot);
	write_key(driver, index, mode, sa->key, sa->salt);
}

/* Which of them a reset clears differs from chip to chip. */
static void clear_tables(struct driver *driver)
{
	for (unsigned index = 0; index < SAS; index++) {
		write_tx(driver, index, nothing, nothing);
		write_spi(driver, index, nothing, 0);
		write_key(driver, index, 0, nothing, nothing);
	}
	for (unsigned slot = 0; slot < ADDRESSES; slot++)
		write_address(driver, slot, nothing);
}

/* ---------------------------------------------------------------------------------------------- the engine (4.6.12) */

static bool is_empty(struct driver *driver)
{
	return card_read(&driver->card, SECTXSTAT) & SEC_RDY && card_read(&driver->card, SECRXSTAT) & SEC_RDY;
}

static void run_data(struct driver *driver)
{
	change(driver, SECTXCTRL, SEC_STOP, 0);
	change(driver, SECRXCTRL, SEC_STOP, 0);
}

/* False if the paths do not become empty. Without a link nothing leaves: the MAC sends it round. */
static bool stop_data(struct driver *driver)
{
	bool linked, empty;

	change(driver, SECTXCTRL, 0, SEC_STOP);
	change(driver, SECRXCTRL, 0, SEC_STOP);
	empty = is_empty(driver);
	linked = card_read(&driver->card, LINKS) & LINKS_UP;
	if (!empty && !linked) {
		change(driver, HLREG0, 0, HLREG0_LPBK);
		change(driver, MACC, 0, MACC_FLU);
	}
	for (int poll = 0; !empty && poll < POLLS; poll++) {
		card_pause(&driver->card, POLL_MICROSECONDS);
		empty = is_empty(driver);
	}
	if (!linked) {
		change(driver, MACC, MACC_FLU, 0);
		change(driver, HLREG0, HLREG0_LPBK, 0);
	}
	if (!empty)
		run_data(driver);
	return empty;
}

static bool start_engine(struct driver *driver)
{
	if (!stop_data(driver))
		return false;
	change(driver, HLREG0, 0, HLREG0_TXCRCEN | HLREG0_RXCRCSTRP);
	change(driver, SECTXMINIFG, 0xF, 3);
	change(driver, SECTXBUFFAF, 0x3FF, 0x15);
	change(driver, SECTXCTRL, SEC_DIS, SECTX_STORE_FORWARD);
	change(driver, SECRXCTRL, SEC_DIS, 0);
	change(driver, IPSTXIDX, 0, IPS_EN);
	change(driver, IPSRXIDX, 0, IPS_EN);
	run_data(driver);
	return true;
}

static void stop_engine(struct driver *driver)
{
	if (!stop_data(driver))
		return; /* it goes on running: nothing but power is lost */
	change(driver, IPSTXIDX, IPS_EN, 0);
	change(driver, IPSRXIDX, IPS_EN, 0);
	change(driver, SECTXCTRL, SECTX_STORE_FORWARD, SEC_DIS);
	change(driver, SECRXCTRL, 0, SEC_DIS);
	change(driver, SECTXBUFFAF, 0x3FF, 0x250);
	change(driver, SECTXMINIFG, 0xF, 1);
	run_data(driver);
}

/* --------------------------------------------------------------------------------------------------- start and reset */

static void give_buffer(struct driver *driver, unsigned index)
{
	put_64(driver->rx_ring + index * DESCRIPTOR, driver->rx_buffers_at + index * RX_BUFFER);
	put_64(driver->rx_ring + index * DESCRIPTOR + 8, 0);
}

static void place_ring(struct driver *driver, uint32_t low, uint32_t high, uint32_t length, uint64_t at)
{
	card_write(&driver->card, low, (uint32_t)at);
	card_write(&driver->card, high, (uint32_t)(at >> 32));
	card_write(&driver->card, length, RING * DESCRIPTOR);
}

/* The chip anew, its tables empty, its rings too. */
static void reset_chip(struct driver *driver)
{
	change(driver, CTRL, 0, CTRL_RST);
	card_pause(&driver->card, POLL_MICROSECONDS);
	clear_tables(driver);
	driver->next_tx = driver->next_rx = 0;
	memset(driver->tx_ring, 0, RING * DESCRIPTOR);
	for (unsigned index = 0; index < RING; index++)
		give_buffer(driver, index);
	place_ring(driver, TDBAL, TDBAH, TDLEN, driver->tx_ring_at);
	place_ring(driver, RDBAL, RDBAH, RDLEN, driver->rx_ring_at);
	change(driver, HLREG0, 0, HLREG0_JUMBOEN);
	card_write(&driver->card, MAXFRS, (LARGEST_FRAME + CRC) << 16);
	card_write(&driver->card, SRRCTL, SRRCTL_2K_ADVANCED);
	change(driver, RXDCTL, 0, QUEUE_ENABLE);
	change(driver, RXCTRL, 0, 1);
	card_write(&driver->card, RDT, RING - 1);
	change(driver, DMATXCTL, 0, 1);
	change(driver, TXDCTL, 0, QUEUE_ENABLE);
}

static void start(struct driver *driver)
{
	driver->tx_ring = card_memory(&driver->card, RING * DESCRIPTOR, &driver->tx_ring_at);
	driver->rx_ring = card_memory(&driver->card, RING * DESCRIPTOR, &driver->rx_ring_at);
	driver->tx_buffers = card_memory(&driver->card, RING * TX_BUFFER, &driver->tx_buffers_at);
	driver->rx_buffers = card_memory(&driver->card, RING * RX_BUFFER, &driver->rx_buffers_at);
	if ((card_read(&driver->card, SECTXSTAT) | card_read(&driver->card, SECRXSTAT)) & SEC_OFF_DIS)
		errno = ENODEV, card_fail("this chip has no security engine");
	reset_chip(driver);
}

static unsigned slot_of(struct driver *driver, const uint8_t *address)
{
	unsigned slot = 0;

	while (slot < ADDRESSES && (!driver->users[slot] || memcmp(driver->addresses[slot], address, 16)))
		slot++;
	return slot;
}

/* The card has lost all; every SA comes back to its place. */
static void reset(struct driver *driver)
{
	reset_chip(driver);
	for (unsigned slot = 0; slot < ADDRESSES; slot++)
		if (driver->users[slot])
			write_address(driver, slot, driver->addresses[slot]);
	for (unsigned index = 0; index < SAS; index++) {
		if (driver->tx[index].used)
			write_tx(driver, index, driver->tx[index].key, driver->tx[index].salt);
		if (driver->rx[index].used)
			write_rx(driver, index, slot_of(driver, driver->rx[index].address));
	}
	blank_registers(driver);
	if (driver->used_tx + driver->used_rx)
		start_engine(driver);
}

/* -------------------------------------------------------------------------------------------------------------- SAs */

static unsigned free_place(const struct sa *sas)
{
	unsigned index = 0;

	while (index < SAS && sas[index].used)
		index++;
	return index;
}

static bool is_the_controllers(struct driver *driver, const struct sa *sa)
{
	uint32_t valid = card_read(&driver->card, BMCIPVAL);
	uint8_t words[16];

	if (!(valid & 2))
		return false;
	for (int n = 0; n < 4; n++)
		put_32(words + 4 * n, card_read(&driver->card, BMCIP + 4 * n));
	if (sa->family == 4)
		return !(valid & 1) && !memcmp(words + 12, sa->address + 12, 4);
	return valid & 1 && !memcmp(words, sa->address, 16);
}

static void delete_sa(struct driver *driver, uint32_t handle)
{
	unsigned index = handle & ~INBOUND, slot;
	struct sa *sa = handle & INBOUND ? &driver->rx[index] : &driver->tx[index];

	if (handle & INBOUND) {
		slot = slot_of(driver, sa->address);
		write_key(driver, index, 0, nothing, nothing);
		write_spi(driver, index, nothing, 0);
		if (!--driver->users[slot])
			write_address(driver, slot, nothing);
		driver->used_rx--;
	} else {
		write_tx(driver, index, nothing, nothing);
		driver->used_tx--;
	}
	memset(sa, 0, sizeof(*sa));
	if (!(driver->used_tx + driver->used_rx))
		stop_engine(driver);
}

/* NULL and a handle, or why not; then nothing of the SA is in the card. */
static const char *add_sa(struct driver *driver, const struct card_sa *wanted, uint32_t *handle)
{
	struct sa sa = {.used = true, .encrypt = wanted->cipher == GCM, .family = wanted->family};
	unsigned index = free_place(wanted->inbound ? driver->rx : driver->tx), slot, width = wanted->family == 6 ? 16 : 4;

	if ((wanted->cipher != GCM && wanted->cipher != GMAC) || wanted->key_size != 16)
		return "the chip has AES-128-GCM and GMAC";
	if (wanted->esn)
		return "the chip does not know the high half of extended sequence numbers";
	if (wanted->udp)
		return "the chip looks for ESP behind the IP header";
	if (wanted->tunnel && !wanted->inbound)
		return "tunnel mode is not sent by the chip";
	if (index == SAS)
		return "the table of SAs is full";
	memcpy(sa.spi, wanted->spi, sizeof(sa.spi));
	memcpy(sa.key, wanted->key, sizeof(sa.key));
	memcpy(sa.salt, wanted->salt, sizeof(sa.salt));
	memcpy(sa.address + 16 - width, wanted->destination, width);
	*handle = index;
	if (wanted->inbound) {
		if (is_the_controllers(driver, &sa))
			return "the address is the management controller's";
		slot = slot_of(driver, sa.address);
		if (slot == ADDRESSES) {
			for (slot = 0; slot < ADDRESSES && driver->users[slot]; slot++)
				;
			if (slot == ADDRESSES)
				return "the table of addresses is full";
			memcpy(driver->addresses[slot], sa.address, 16);
			write_address(driver, slot, sa.address);
		}
		driver->users[slot]++;
		driver->rx[index] = sa;
		driver->used_rx++;
		*handle |= INBOUND;
		write_rx(driver, index, slot);
	} else {
		driver->tx[index] = sa;
		driver->used_tx++;
		write_tx(driver, index, sa.key, sa.salt);
	}
	blank_registers(driver);
	if (card_read(&driver->card, SECTXCTRL) & SEC_DIS && !start_engine(driver)) {
		delete_sa(driver, *handle);
		return "the engine does not start";
	}
	return NULL;
}

/* ---------------------------------------------------------------------------------------------------------- packets */

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define ESP_FRONT 16 /* SPI, number, IV */
#define ICV 16
#define LONGEST (LARGEST_FRAME - ETHERNET)
#define LONGEST_PLAIN 9000

static bool is_extension(uint8_t protocol)
{
	return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 51 || protocol == 60 || protocol == 135 ||
	       protocol == 139 || protocol == 140;
}

/* Whether the card can protect the packet: no options, no extension headers, not too long (7.13.3). */
static bool can_protect(const uint8_t *packet, size_t size)
{
	if (size > LONGEST_PLAIN)
		return false;
	if (size >= IPV6_HEADER && packet[0] >> 4 == 6)
		return !is_extension(packet[6]);
	return size && packet[0] == 0x45;
}

/* Behind the last descriptor; two are always free, as the card is done when the tail is written. */
static void give(struct driver *driver, uint64_t first, uint32_t second, uint32_t third)
{
	uint8_t *at = driver->tx_ring + driver->next_tx * DESCRIPTOR;

	put_64(at, first);
	put_32(at + 8, second);
	put_32(at + 12, third);
	driver->next_tx = (driver->next_tx + 1) % RING;
}

/* A frame; of an SA it has everything but the cipher: ESP header, IV, trailer, and zeros for the ICV. */
static const char *send_frame(struct driver *driver, uint32_t handle, const uint8_t *frame, size_t size)
{
	const uint8_t *packet = frame + ETHERNET;
	uint32_t ipv4 = size > ETHERNET && packet[0] >> 4 == 4, options = 0;
	unsigned buffer;

	if (size > LARGEST_FRAME)
		return "longer than the card sends";
	if (handle != CARD_NO_SA) {
		uint32_t front = (ipv4 ? IPV4_HEADER : IPV6_HEADER) + ESP_FRONT;
		uint32_t trailer = frame[size - ICV - 2] + 2u + ICV;
		uint32_t command = TYPE_CONTEXT | CONTEXT_ESP | trailer;

		command |= driver->tx[handle].encrypt ? CONTEXT_ENCRYPT : 0;
		command |= ipv4 ? CONTEXT_IPV4 : 0;
		command |= frame[size - ICV - 1] == 17 ? 0 : CONTEXT_TCP;
		give(driver, (uint64_t)handle << 32 | front | (uint32_t)ETHERNET << 9, command, 0);
		options = DATA_CHECK_CONTEXT | DATA_IPSEC;
	}
	buffer = driver->next_tx;
	memcpy(driver->tx_buffers + buffer * TX_BUFFER, frame, size);
	give(driver, driver->tx_buffers_at + buffer * TX_BUFFER, TYPE_DATA | DATA_EOP | DATA_IFCS | DATA_RS | (uint32_t)size,
	     options | (uint32_t)size << 14);
	card_write(&driver->card, TDT, driver->next_tx);
	return NULL;
}

/* The card does not say which SA it has applied. */
static uint32_t applied(struct driver *driver, const uint8_t *packet, size_t size)
{
	size_t front = packet[0] >> 4 == 4 ? IPV4_HEADER : IPV6_HEADER;
	uint8_t address[16] = {0};

	if (size < front + 4)
		return CARD_NO_SA;
	if (front == IPV4_HEADER)
		memcpy(address + 12, packet + 16, 4);
	else
		memcpy(address, packet + 24, 16);
	for (unsigned index = 0; index < SAS; index++)
		if (driver->rx[index].used && !memcmp(driver->rx[index].spi, packet + front, 4) &&
		    !memcmp(driver->rx[index].address, address, 16))
			return index | INBOUND;
	return CARD_NO_SA;
}

/* What has come since the last time goes to `take`, frame by frame. */
static void receive(struct driver *driver, void (*take)(struct driver *, uint32_t handle, enum card_verdict, const uint8_t *, size_t))
{
	static const enum card_verdict verdicts[] = {CARD_OPENED, CARD_UNREADABLE, CARD_UNREADABLE, CARD_FORGED};
	static uint8_t frame[RING * RX_BUFFER];
	size_t size = 0;

	for (;;) {
		unsigned index = driver->next_rx;
		uint32_t status = get_32(driver->rx_ring + index * DESCRIPTOR + 8);
		uint32_t length = get_32(driver->rx_ring + index * DESCRIPTOR + 12) & 0xFFFF;

		if (!(status & DONE))
			return;
		memcpy(frame + size, driver->rx_buffers + index * RX_BUFFER, length);
		size += length;
		give_buffer(driver, index);
		card_write(&driver->card, RDT, index);
		driver->next_rx = (index + 1) % RING;
		if (!(status & REPORT_EOP))
			continue;
		if (status & REPORT_SECP)
			take(driver, applied(driver, frame + ETHERNET, size - ETHERNET), verdicts[REPORT_SECERR(status)], frame, size);
		else
			take(driver, CARD_NO_SA, CARD_NOTHING, frame, size);
		size = 0;
	}
}

/* -------------------------------------------------------------------------------------------- what the stack asks for */

static void hand_up(struct driver *driver, uint32_t handle, enum card_verdict verdict, const uint8_t *frame, size_t size)
{
	card_say(&driver->card, CARD_RECEIVED, handle, verdict, frame, size);
}

static void answer(struct driver *driver, const char *refused, uint32_t value)
{
	if (refused)
		card_say(&driver->card, CARD_REFUSED, 0, 0, refused, strlen(refused));
	else
		card_say(&driver->card, CARD_DONE, value, 0, NULL, 0);
}

static void serve(struct driver *driver)
{
	static struct card_message message;
	static const uint16_t most[2] = {SAS, SAS};
	uint32_t features = CARD_IN_TRANSPORT | CARD_IN_TUNNEL | CARD_OUT_TRANSPORT | CARD_AES_GCM | CARD_AES_GMAC;

	card_say(&driver->card, CARD_READY, features, LONGEST, most, sizeof(most));
	while (card_next(&driver->card, &message)) {
		uint32_t value = message.head.value;
		const char *refused;
		struct card_sa sa;

		switch (message.head.kind) {
		case CARD_ADD:
			memcpy(&sa, message.octets, sizeof(sa));
			refused = add_sa(driver, &sa, &value);
			answer(driver, refused, value);
			break;
		case CARD_DELETE:
			delete_sa(driver, value);
			answer(driver, NULL, 0);
			break;
		case CARD_CAN:
			answer(driver, can_protect(message.octets, message.count) ? NULL : "not this packet", 0);
			break;
		case CARD_SEND:
			answer(driver, send_frame(driver, value, message.octets, message.count), 0);
			break;
		case CARD_RECEIVE:
			receive(driver, hand_up);
			answer(driver, NULL, 0);
			break;
		case CARD_RESET:
			reset(driver);
			answer(driver, NULL, 0);
			break;
		default: /* interrupts: this driver asks for none */
			break;
		}
	}
}

/* ------------------------------------------------------------------------------------------------------ a first packet */

static const char text[] = "a first packet, in the clear";
static bool came_back;

static void look(struct driver *driver, uint32_t handle, enum card_verdict verdict, const uint8_t *frame, size_t size)
{
	(void)driver;
	printf("received %zu octets, SA %u, verdict %d\n", size, handle & ~INBOUND, verdict);
	came_back = handle != CARD_NO_SA && verdict == CARD_OPENED &&
		    !memcmp(frame + ETHERNET + IPV4_HEADER + ESP_FRONT, text, sizeof(text));
}

/* An IPv4 packet of ESP around `text`, as a stack makes it for a card: the ICV is blank. */
static size_t first_packet(uint8_t *frame, const struct card_sa *sa)
{
	unsigned padding = (4 - (sizeof(text) + 2) % 4) % 4, checksum = 0;
	size_t size = IPV4_HEADER + ESP_FRONT + sizeof(text) + padding + 2 + ICV;
	uint8_t *ip = frame + ETHERNET, *at = ip + IPV4_HEADER;

	memset(frame, 0, ETHERNET + size);
	frame[12] = 0x08;
	ip[0] = 0x45, ip[2] = size >> 8, ip[3] = size & 0xFF, ip[8] = 64, ip[9] = PROTOCOL_ESP;
	memcpy(ip + 12, sa->source, 4);
	memcpy(ip + 16, sa->destination, 4);
	for (int n = 0; n < IPV4_HEADER; n += 2)
		checksum += (unsigned)ip[n] << 8 | ip[n + 1];
	checksum = ~((checksum & 0xFFFF) + (checksum >> 16));
	ip[10] = checksum >> 8 & 0xFF, ip[11] = checksum & 0xFF;
	memcpy(at, sa->spi, 4);
	at[7] = at[15] = 1; /* sequence number, and an IV that no other packet of this key has */
	memcpy(at + ESP_FRONT, text, sizeof(text));
	at += ESP_FRONT + sizeof(text);
	for (unsigned n = 1; n <= padding; n++)
		*at++ = n;
	*at++ = padding, *at = 253; /* a protocol for experiments */
	return ETHERNET + size;
}

static int show(struct driver *driver)
{
	static struct card_message wire;
	struct card_sa sa = {.family = 4, .cipher = GCM, .key_size = 16, .spi = {0, 0, 0x12, 0x34}, .salt = "salt"};
	uint8_t frame[256];
	uint32_t out, in;
	const char *refused;
	size_t size;

	memcpy(sa.source, (uint8_t[]){192, 0, 2, 1}, 4);
	memcpy(sa.destination, (uint8_t[]){192, 0, 2, 2}, 4);
	memcpy(sa.key, "sixteen octets k", 16);
	refused = add_sa(driver, &sa, &out);
	sa.inbound = 1;
	if (refused || (refused = add_sa(driver, &sa, &in))) {
		fprintf(stderr, "%s\n", refused);
		return 1;
	}
	size = first_packet(frame, &sa);
	send_frame(driver, out, frame, size);
	do {
		if (!card_next(&driver->card, &wire)) {
			fprintf(stderr, "nothing has left the card\n");
			return 1;
		}
	} while (wire.head.kind != CARD_FRAME);
	printf("sent %zu octets, %s\n", wire.count, memmem(wire.octets, wire.count, text, sizeof(text)) ? "IN THE CLEAR" : "encrypted");
	card_say(&driver->card, CARD_FRAME, 0, 0, wire.octets, wire.count);
	card_read(&driver->card, RDT); /* it is answered when the frame is in memory */
	receive(driver, look);
	delete_sa(driver, out);
	delete_sa(driver, in);
	card_read(&driver->card, SECTXCTRL);
	printf("%s\n", came_back ? "what came back is what was sent" : "what came back is something else");
	return !came_back;
}

int main(int count, char **words)
{
	static struct driver driver;

	if (count > 2 || (count > 1 && words[1][0] == '-')) {
		fprintf(stderr, "usage: %s [SOCKET]\n", words[0]);
		return 2;
	}
	if (count == 2)
		card_connect(&driver.card, words[1]);
	else
		card_inherited(&driver.card);
	start(&driver);
	if (count == 2)
		return show(&driver);
	serve(&driver);
	return 0;
}
