/*
 * stranger: an ESP (RFC 4303) implementation that speaks the espproof exec protocol, version 1,
 * written from PROTOCOL.md and the RFCs alone.
 *
 *   ./stranger [--defect=replay-window-off-by-one | esn-high-not-authenticated | padding-not-checked-zero-fill]
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cjson/cJSON.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

/* ------------------------------------------------------------------ defects */

static bool defect_window, defect_esn, defect_padding;

/* ------------------------------------------------------------------ octets */

enum { MAX_PACKET = 65535, RING = 1024, P_IPV4 = 4, P_TCP = 6, P_UDP = 17, P_IPV6 = 41, P_ESP = 50, P_NONE = 59 };

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t get32(const uint8_t *p) { return (uint32_t)get16(p) << 16 | get16(p + 2); }
static void put16(uint8_t *p, size_t v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static void put32(uint8_t *p, uint32_t v) { put16(p, v >> 16); put16(p + 2, v & 0xffff); }
static void put64(uint8_t *p, uint64_t v) { put32(p, (uint32_t)(v >> 32)); put32(p + 4, (uint32_t)v); }

static void *need(void *p)
{
	if (!p) {
		fputs("stranger: out of memory\n", stderr);
		exit(3);
	}
	return p;
}

static void *get_memory(size_t n) { return need(malloc(n ? n : 1)); }

/* The Internet checksum (RFC 1071); `sum` carries what was summed before. */
static uint32_t sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	for (; n > 1; p += 2, n -= 2) {
		sum += get16(p);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	if (n)
		sum += (uint32_t)p[0] << 8;
	return (sum & 0xffff) + (sum >> 16);
}

static void ipv4_checksum(uint8_t *h)
{
	put16(h + 10, 0);
	put16(h + 10, ~sum16(h, (size_t)(h[0] & 15) * 4, 0) & 0xffff);
}

/* ------------------------------------------------------------------ IP packets */

struct ip {
	int version;
	size_t total;		/* octets of the packet, link padding cut off */
	size_t upper;		/* where the header behind all headers of IP begins ... */
	size_t upper_field;	/* ... and where the octet is that says which one it is */
	int proto;		/* that octet */
	size_t insert;		/* where ESP goes in transport mode */
	size_t insert_field;
	bool fragment;
	bool broken;		/* the chain of extension headers is cut short */
	const uint8_t *source, *destination;
	size_t address_size;
	bool routed;		/* a routing header with segments left: destination is not the final one */
};

/* The base header, and the IPv6 extension headers as far as they can be walked. */
static bool parse_ip(const uint8_t *p, size_t n, struct ip *ip)
{
	memset(ip, 0, sizeof *ip);
	if (n < 20)
		return false;
	ip->version = p[0] >> 4;
	if (ip->version == 4) {
		size_t header = (size_t)(p[0] & 15) * 4;

		ip->total = get16(p + 2);
		if (header < 20 || ip->total < header || n < ip->total)
			return false;
		ip->upper = ip->insert = header;
		ip->upper_field = ip->insert_field = 9;
		ip->proto = p[9];
		ip->fragment = (get16(p + 6) & 0x3fff) != 0;
		ip->source = p + 12;
		ip->destination = p + 16;
		ip->address_size = 4;
		return true;
	}
	if (ip->version != 6 || n < 40)
		return false;
	ip->total = 40 + (size_t)get16(p + 4);
	if (n < ip->total)
		return false;
	ip->source = p + 8;
	ip->destination = p + 24;
	ip->address_size = 16;
	ip->upper = ip->insert = 40;
	ip->upper_field = ip->insert_field = 6;
	ip->proto = p[6];
	while (ip->proto == 0 || ip->proto == 43 || ip->proto == 44 || ip->proto == 60) {
		size_t left = ip->total - ip->upper;
		size_t length = 8;
		int kind = ip->proto;
		bool later = false;

		if (left < 8) {
			ip->broken = true;
			break;
		}
		if (kind == 44) {
			uint16_t word = get16(p + ip->upper + 2);

			ip->fragment = ip->fragment || (word & 0xfff9) != 0;
			later = (word & 0xfff8) != 0;
		} else {
			length = 8 * ((size_t)p[ip->upper + 1] + 1);
			if (left < length) {
				ip->broken = true;
				break;
			}
			if (kind == 43 && p[ip->upper + 3])
				ip->routed = true;
		}
		ip->upper_field = ip->upper;
		ip->proto = p[ip->upper];
		ip->upper += length;
		if (kind != 60) {
			ip->insert = ip->upper;
			ip->insert_field = ip->upper_field;
		}
		if (later)	/* what follows is the middle of something */
			break;
	}
	return true;
}

static int traffic_class(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? p[1] : (p[0] & 15) << 4 | p[1] >> 4;
}

static void set_ecn(uint8_t *p, int ecn)
{
	if (p[0] >> 4 == 4) {
		p[1] = (uint8_t)((p[1] & 0xfc) | ecn);
		ipv4_checksum(p);
	} else {
		p[1] = (uint8_t)((p[1] & 0xcf) | ecn << 4);
	}
}

/* ------------------------------------------------------------------ SAs */

struct cipher {
	const char *name;
	size_t salt, iv, align;
	bool combined;
};

static const struct cipher ciphers[] = {
	{ "ENCR_AES_GCM_16", 4, 8, 4, true },
	{ "ENCR_AES_CBC", 0, 16, 16, false },
	{ "ENCR_NULL", 0, 0, 4, false },
};

enum { ICV = 16 };	/* of each of them */

struct limits { bool packets_set, octets_set, seconds_set; uint64_t packets, octets, seconds; };

struct prefix { bool set; int version; int bits; uint8_t address[16]; };

struct selector { struct prefix source, destination; int proto; };

enum lookup { BY_SPI, BY_DESTINATION, BY_BOTH };
enum df { DF_COPY, DF_SET, DF_CLEAR };

struct sa {
	struct sa *next;
	char *name;
	bool inbound, tunnel, esn;
	uint32_t spi;
	int version;		/* of its addresses */
	uint8_t source[16], destination[16];
	const struct cipher *cipher;
	uint8_t key[32], salt[4], auth_key[32];
	size_t key_size;
	uint64_t sequence;	/* outbound: last sent; inbound: T */
	uint32_t window;	/* W; 0: off */
	uint64_t ring[RING / 64];	/* bit n mod RING: number n of the last RING was received */
	bool udp;
	uint16_t source_port, destination_port;
	int dscp;		/* -1: copy */
	bool ecn_compatibility;
	enum df df;
	uint8_t hop_limit;
	enum lookup lookup;
	struct limits soft, hard;
	uint64_t added, packets, octets;
	struct selector *selectors;
	size_t selector_count;
	uint64_t resync_trigger, resync_limit, failures;
	uint64_t iv_base;	/* explicit IVs of GCM: this plus the sequence number */
	uint16_t identification;
};

static struct sa *sas;
static uint64_t now;

static struct sa *find_name(const char *name)
{
	struct sa *sa = sas;

	while (sa && strcmp(sa->name, name) != 0)
		sa = sa->next;
	return sa;
}

static void free_sa(struct sa *sa)
{
	if (sa) {
		free(sa->name);
		free(sa->selectors);
		OPENSSL_cleanse(sa, sizeof *sa);
		free(sa);
	}
}

static void forget_all(void)
{
	while (sas) {
		struct sa *sa = sas;

		sas = sa->next;
		free_sa(sa);
	}
	now = 0;
}

static bool reached(const struct sa *sa, const struct limits *limit)
{
	return (limit->packets_set && sa->packets >= limit->packets) ||
	       (limit->octets_set && sa->octets >= limit->octets) ||
	       (limit->seconds_set && now - sa->added >= limit->seconds);
}

/* Hard lifetime: over, or would this many octets alone be more than it allows (RFC 4301 4.4.2.1 (c))? */
static bool expired(const struct sa *sa, size_t octets)
{
	return reached(sa, &sa->hard) || (sa->hard.octets_set && octets > sa->hard.octets);
}

/* ------------------------------------------------------------------ anti-replay */

static bool received(const struct sa *sa, uint64_t n) { return sa->ring[n % RING / 64] >> n % 64 & 1; }
static void mark(struct sa *sa, uint64_t n) { sa->ring[n % RING / 64] |= UINT64_C(1) << n % 64; }
static void unmark(struct sa *sa, uint64_t n) { sa->ring[n % RING / 64] &= ~(UINT64_C(1) << n % 64); }

/* RFC 4303 A2.2: the number with this low half in [T - W + 1, T - W + 2^32]. False: there is none. */
static bool infer_number(const struct sa *sa, uint32_t low, uint64_t *number)
{
	uint64_t back = (sa->window ? sa->window : 1) - 1;
	uint64_t left, ahead;

	if (!sa->esn) {
		*number = low;
		return true;
	}
	left = sa->sequence - back;	/* may be below 0, then it wraps */
	ahead = (uint32_t)(low - (uint32_t)left);
	*number = left + ahead;
	if (sa->sequence >= back)
		return *number >= left;		/* not above 2^64 - 1 */
	return ahead >= back - sa->sequence;	/* not below 0 */
}

static bool is_replay(const struct sa *sa, uint64_t n)
{
	uint64_t size = sa->window;

	if (!size || n > sa->sequence)
		return false;
	if (defect_window)
		size--;
	return sa->sequence - n >= size || received(sa, n);
}

static void accept_number(struct sa *sa, uint64_t n)
{
	if (n > sa->sequence) {
		if (n - sa->sequence >= RING)
			memset(sa->ring, 0, sizeof sa->ring);
		else
			for (uint64_t i = sa->sequence + 1; i < n; i++)
				unmark(sa, i);
		sa->sequence = n;
		mark(sa, n);
	} else if (sa->sequence - n < RING) {
		mark(sa, n);
	}
}

/* ------------------------------------------------------------------ cryptography */

static const EVP_CIPHER *evp(const struct sa *sa)
{
	if (sa->cipher->combined)
		return sa->key_size == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
	return sa->key_size == 16 ? EVP_aes_128_cbc() : EVP_aes_256_cbc();
}

static void crypto_failure(void)
{
	fputs("stranger: libcrypto failed\n", stderr);
	exit(4);
}

/* HMAC-SHA-256-128 over the ESP packet in front of the ICV, and the high half where there is ESN. */
static void hmac(const struct sa *sa, const uint8_t *esp, size_t n, uint32_t high, uint8_t icv[ICV])
{
	static EVP_MAC *mac;
	static EVP_MAC_CTX *context;
	OSSL_PARAM digest[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
				OSSL_PARAM_construct_end() };
	uint8_t tail[4], full[32];
	size_t size;

	if (!mac && (!(mac = EVP_MAC_fetch(NULL, "HMAC", NULL)) || !(context = EVP_MAC_CTX_new(mac))))
		crypto_failure();
	put32(tail, high);
	if (!EVP_MAC_init(context, sa->auth_key, sizeof sa->auth_key, digest) || !EVP_MAC_update(context, esp, n) ||
	    (sa->esn && !defect_esn && !EVP_MAC_update(context, tail, sizeof tail)) ||
	    !EVP_MAC_final(context, full, &size, sizeof full))
		crypto_failure();
	memcpy(icv, full, ICV);
}

static EVP_CIPHER_CTX *cipher_context(void)
{
	static EVP_CIPHER_CTX *context;

	if (!context && !(context = EVP_CIPHER_CTX_new()))
		crypto_failure();
	EVP_CIPHER_CTX_reset(context);
	return context;
}

static int associated_data(const struct sa *sa, const uint8_t *esp, uint32_t high, uint8_t aad[12])
{
	int n = 4;

	memcpy(aad, esp, 4);
	if (sa->esn && !defect_esn) {
		put32(aad + 4, high);
		n = 8;
	}
	memcpy(aad + n, esp + 4, 4);
	return n + 4;
}

/* Encrypt and authenticate in place: esp has SPI, sequence number, IV, plaintext of n octets, room for the ICV. */
static void seal(const struct sa *sa, uint8_t *esp, size_t n, uint32_t high)
{
	size_t head = 8 + sa->cipher->iv;
	uint8_t *text = esp + head;
	int done;

	if (sa->cipher->combined) {
		EVP_CIPHER_CTX *context = cipher_context();
		uint8_t nonce[12], aad[12];
		int aad_size = associated_data(sa, esp, high, aad);

		memcpy(nonce, sa->salt, 4);
		memcpy(nonce + 4, esp + 8, 8);
		if (!EVP_EncryptInit_ex(context, evp(sa), NULL, sa->key, nonce) ||
		    !EVP_EncryptUpdate(context, NULL, &done, aad, aad_size) ||
		    !EVP_EncryptUpdate(context, text, &done, text, (int)n) ||
		    !EVP_EncryptFinal_ex(context, text + n, &done) ||
		    !EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, ICV, text + n))
			crypto_failure();
		return;
	}
	if (sa->key_size) {
		EVP_CIPHER_CTX *context = cipher_context();

		if (!EVP_EncryptInit_ex(context, evp(sa), NULL, sa->key, esp + 8) ||
		    !EVP_CIPHER_CTX_set_padding(context, 0) ||
		    !EVP_EncryptUpdate(context, text, &done, text, (int)n))
			crypto_failure();
	}
	hmac(sa, esp, head + n, high, text + n);
}

/* Verify and decrypt the ESP packet into `text` (room for n octets). False: the ICV is wrong. Otherwise *text_size is
 * the length of the plaintext, 0 if the ciphertext has a length that cannot be. The caller has seen to it that
 * header, IV and ICV are there. */
static bool unseal(const struct sa *sa, const uint8_t *esp, size_t n, uint32_t high, uint8_t *text, size_t *text_size)
{
	size_t head = 8 + sa->cipher->iv;
	size_t size = n - head - ICV;
	int done;

	*text_size = size % sa->cipher->align ? 0 : size;
	if (sa->cipher->combined) {
		EVP_CIPHER_CTX *context = cipher_context();
		uint8_t nonce[12], aad[12], tag[ICV], nothing[16];
		int aad_size = associated_data(sa, esp, high, aad);

		memcpy(nonce, sa->salt, 4);
		memcpy(nonce + 4, esp + 8, 8);
		memcpy(tag, esp + n - ICV, ICV);
		if (!EVP_DecryptInit_ex(context, evp(sa), NULL, sa->key, nonce) ||
		    !EVP_DecryptUpdate(context, NULL, &done, aad, aad_size) ||
		    (size && !EVP_DecryptUpdate(context, text, &done, esp + head, (int)size)) ||
		    !EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, ICV, tag))
			crypto_failure();
		return EVP_DecryptFinal_ex(context, nothing, &done) > 0;
	} else {
		uint8_t icv[ICV];

		hmac(sa, esp, n - ICV, high, icv);
		if (CRYPTO_memcmp(icv, esp + n - ICV, ICV) != 0)
			return false;
	}
	if (!*text_size)
		return true;
	if (sa->key_size) {
		EVP_CIPHER_CTX *context = cipher_context();

		if (!EVP_DecryptInit_ex(context, evp(sa), NULL, sa->key, esp + 8) ||
		    !EVP_CIPHER_CTX_set_padding(context, 0) ||
		    !EVP_DecryptUpdate(context, text, &done, esp + head, (int)size))
			crypto_failure();
	} else {
		memcpy(text, esp + head, size);
	}
	return true;
}

/* ------------------------------------------------------------------ results */

struct outcome {
	const char *result;	/* sent, delivered, dropped, passed, unsupported */
	const char *reason;	/* of dropped; where to, of passed; what, of unsupported */
	uint8_t *packet;	/* the receiver of the outcome frees it */
	size_t size;
	const struct sa *sa;
};

static struct outcome dropped(const char *reason) { return (struct outcome){ .result = "dropped", .reason = reason }; }
static struct outcome passed(const char *to) { return (struct outcome){ .result = "passed", .reason = to }; }

/* ------------------------------------------------------------------ outbound */

struct outbound_options {
	const uint8_t *iv;	/* NULL: of our own choice */
	uint64_t tfc;
	bool dummy;
};

static void outer_header(struct sa *sa, uint8_t *h, size_t total, const uint8_t *inner)
{
	int inner_class = traffic_class(inner);
	int dscp = sa->dscp < 0 ? inner_class >> 2 : sa->dscp;
	int class = dscp << 2 | (sa->ecn_compatibility ? 0 : inner_class & 3);
	uint8_t proto = sa->udp ? P_UDP : P_ESP;

	if (sa->version == 4) {
		bool df = sa->df == DF_SET;

		if (sa->df == DF_COPY)
			df = inner[0] >> 4 == 4 ? inner[6] >> 6 & 1 : true;
		memset(h, 0, 20);
		h[0] = 0x45;
		h[1] = (uint8_t)class;
		put16(h + 2, total);
		put16(h + 4, df ? 0 : sa->identification++);
		h[6] = df ? 0x40 : 0;
		h[8] = sa->hop_limit;
		h[9] = proto;
		memcpy(h + 12, sa->source, 4);
		memcpy(h + 16, sa->destination, 4);
		ipv4_checksum(h);
	} else {
		put32(h, UINT32_C(6) << 28 | (uint32_t)class << 20);
		put16(h + 4, total - 40);
		h[6] = proto;
		h[7] = sa->hop_limit;
		memcpy(h + 8, sa->source, 16);
		memcpy(h + 24, sa->destination, 16);
	}
}

/* The packet's own header with ESP (or UDP) behind it. */
static void transport_header(const struct sa *sa, uint8_t *h, size_t total, const uint8_t *packet, const struct ip *ip)
{
	memcpy(h, packet, ip->insert);
	h[ip->insert_field] = sa->udp ? P_UDP : P_ESP;
	if (ip->version == 4) {
		put16(h + 2, total);
		ipv4_checksum(h);
	} else {
		put16(h + 4, total - 40);
	}
}

/* RFC 3948 2.1: no checksum over IPv4; over IPv6 there is one (RFC 8200 8.1), unless the final destination is not
 * the one in the header. */
static void udp_header(const struct sa *sa, uint8_t *udp, size_t size, const uint8_t *packet, const struct ip *ip)
{
	put16(udp, sa->source_port);
	put16(udp + 2, sa->destination_port);
	put16(udp + 4, size);
	put16(udp + 6, 0);
	if (packet[0] >> 4 == 6 && !(ip && ip->routed)) {
		uint32_t sum = sum16(packet + 8, 32, (uint32_t)size + P_UDP);

		sum = ~sum16(udp, size, sum) & 0xffff;
		put16(udp + 6, sum ? sum : 0xffff);
	}
}

static struct outcome outbound(struct sa *sa, const uint8_t *packet, size_t n, const struct outbound_options *options)
{
	const uint8_t *payload;
	size_t payload_size, header, head, text_size, total;
	struct outcome outcome = { .result = "sent", .sa = sa };
	uint8_t *esp, *text;
	unsigned pad;
	uint64_t number;
	struct ip ip;
	uint8_t next;

	if (!sa || sa->inbound)
		return dropped("no-sa");
	if (!parse_ip(packet, n, &ip))
		return dropped("malformed");
	if (!sa->tunnel && ip.fragment)
		return dropped("fragment");
	if (!sa->tunnel && ip.broken)
		return dropped("malformed");
	if (sa->tunnel) {
		header = sa->version == 4 ? 20 : 40;
		payload = packet;
		payload_size = ip.total;
		next = ip.version == 4 ? P_IPV4 : P_IPV6;
	} else {
		header = ip.insert;
		payload = packet + ip.insert;
		payload_size = ip.total - ip.insert;
		next = packet[ip.insert_field];
	}
	if (options->dummy)
		next = P_NONE;

	head = 8 + sa->cipher->iv;
	if (options->tfc > MAX_PACKET)
		return dropped("too-big");
	text_size = payload_size + (size_t)options->tfc + 2;
	pad = (unsigned)((sa->cipher->align - text_size % sa->cipher->align) % sa->cipher->align);
	text_size += pad;
	total = header + (sa->udp ? 8 : 0) + head + text_size + ICV;
	if (total > MAX_PACKET)
		return dropped("too-big");
	if (expired(sa, text_size))
		return dropped("expired");
	if (sa->sequence == (sa->esn ? UINT64_MAX : UINT32_MAX))
		return dropped("sequence-overflow");
	number = ++sa->sequence;

	outcome.packet = get_memory(total);
	outcome.size = total;
	if (sa->tunnel)
		outer_header(sa, outcome.packet, total, packet);
	else
		transport_header(sa, outcome.packet, total, packet, &ip);
	esp = outcome.packet + header + (sa->udp ? 8 : 0);
	put32(esp, sa->spi);
	put32(esp + 4, (uint32_t)number);
	if (options->iv)
		memcpy(esp + 8, options->iv, sa->cipher->iv);
	else if (sa->cipher->combined)
		put64(esp + 8, sa->iv_base + number);
	else if (sa->cipher->iv && RAND_bytes(esp + 8, (int)sa->cipher->iv) != 1)
		crypto_failure();
	text = esp + head;
	if (options->dummy)
		memset(text, 0, payload_size);
	else
		memcpy(text, payload, payload_size);
	text += payload_size;
	memset(text, 0, (size_t)options->tfc);
	text += options->tfc;
	for (unsigned i = 0; i < pad; i++)
		*text++ = defect_padding ? 0 : (uint8_t)(i + 1);
	*text++ = (uint8_t)pad;
	*text = next;
	seal(sa, esp, text_size, (uint32_t)(number >> 32));
	if (sa->udp)
		udp_header(sa, esp - 8, total - header, outcome.packet, sa->tunnel ? NULL : &ip);
	sa->packets++;
	sa->octets += text_size;
	return outcome;
}

/* ------------------------------------------------------------------ inbound */

static bool same_address(const struct sa *sa, const uint8_t *of_sa, const struct ip *ip, const uint8_t *address)
{
	return sa->version == ip->version && memcmp(of_sa, address, ip->address_size) == 0;
}

static struct sa *find_inbound(uint32_t spi, const struct ip *ip)
{
	struct sa *best = NULL;

	for (struct sa *sa = sas; sa; sa = sa->next) {
		if (!sa->inbound || sa->spi != spi || (best && best->lookup >= sa->lookup))
			continue;
		if (sa->lookup >= BY_DESTINATION && !same_address(sa, sa->destination, ip, ip->destination))
			continue;
		if (sa->lookup == BY_BOTH && !same_address(sa, sa->source, ip, ip->source))
			continue;
		best = sa;
	}
	return best;
}

static bool is_encapsulation_port(uint16_t port)
{
	for (const struct sa *sa = sas; sa; sa = sa->next)
		if (sa->inbound && sa->udp && sa->destination_port == port)
			return true;
	return false;
}

static bool in_prefix(const struct prefix *prefix, int version, const uint8_t *address)
{
	if (!prefix->set)
		return true;
	if (prefix->version != version)
		return false;
	for (int bit = 0; bit < prefix->bits; bit++)
		if ((prefix->address[bit / 8] ^ address[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

static bool selected(const struct sa *sa, const uint8_t *packet, size_t n)
{
	struct ip ip;

	if (!sa->selector_count)
		return true;
	if (!parse_ip(packet, n, &ip))
		return false;
	for (size_t i = 0; i < sa->selector_count; i++) {
		const struct selector *s = &sa->selectors[i];

		if (in_prefix(&s->source, ip.version, ip.source) &&
		    in_prefix(&s->destination, ip.version, ip.destination) && (s->proto < 0 || s->proto == ip.proto))
			return true;
	}
	return false;
}

/* RFC 6040 figure 4. -1: the packet is to be dropped. */
static int egress_ecn(int inner, int outer)
{
	enum { NOT_ECT, ECT1, ECT0, CE };

	if (outer == CE)
		return inner == NOT_ECT ? -1 : CE;
	return outer == ECT1 && inner == ECT0 ? ECT1 : inner;
}

/* What was in the tunnel: text is an inner packet with TFC padding behind it. */
static struct outcome leave_tunnel(const uint8_t *outer, uint8_t *text, size_t n, int next)
{
	struct outcome outcome = { .result = "delivered" };
	struct ip ip;
	int ecn;

	if (next != P_IPV4 && next != P_IPV6)
		return dropped("mode");
	if (!parse_ip(text, n, &ip) || ip.version != (next == P_IPV4 ? 4 : 6))
		return dropped("malformed");
	ecn = egress_ecn(traffic_class(text) & 3, traffic_class(outer) & 3);
	if (ecn < 0)
		return dropped("ecn");
	if (ecn != (traffic_class(text) & 3))
		set_ecn(text, ecn);
	outcome.packet = get_memory(ip.total);
	outcome.size = ip.total;
	memcpy(outcome.packet, text, ip.total);
	return outcome;
}

/* The packet's own header, without ESP (and UDP), and the payload behind it. */
static struct outcome leave_transport(const uint8_t *outer, const struct ip *ip, const uint8_t *text, size_t n, int next)
{
	struct outcome outcome = { .result = "delivered", .size = ip->upper + n };
	uint8_t *packet = outcome.packet = get_memory(outcome.size);

	memcpy(packet, outer, ip->upper);
	memcpy(packet + ip->upper, text, n);
	packet[ip->upper_field] = (uint8_t)next;
	if (ip->version == 4) {
		put16(packet + 2, outcome.size);
		ipv4_checksum(packet);
	} else {
		put16(packet + 4, outcome.size - 40);
	}
	return outcome;
}

/* Behind a NAT the addresses are others than the peer saw: make the checksum of TCP or UDP anew (RFC 3948 3.1.2). */
static void correct_checksum(uint8_t *packet, size_t upper, size_t size, int next)
{
	bool ipv4 = packet[0] >> 4 == 4;
	uint8_t *segment = packet + upper, *field = segment + (next == P_UDP ? 6 : 16);
	size_t length = size - upper;
	uint32_t sum;

	if (length < (next == P_UDP ? 8 : 20) || (next != P_UDP && next != P_TCP))
		return;
	if (next == P_UDP) {
		if (get16(segment + 4) < 8 || get16(segment + 4) > length || get16(field) == 0)
			return;
		length = get16(segment + 4);
	}
	put16(field, 0);
	sum = sum16(packet + (ipv4 ? 12 : 8), ipv4 ? 8 : 32, (uint32_t)length + (uint32_t)next);
	sum = ~sum16(segment, length, sum) & 0xffff;
	put16(field, sum || next == P_TCP ? sum : 0xffff);
}

/* Find the number, verify, and decrypt into text. NULL: right, the window has moved. Otherwise why it is dropped. */
static const char *authenticate(struct sa *sa, const uint8_t *esp, size_t n, uint8_t *text, size_t *text_size)
{
	uint64_t number, high;
	uint32_t low = get32(esp + 4);

	if (n < 8 + sa->cipher->iv + ICV)
		return "malformed";
	if (!infer_number(sa, low, &number))
		return "replay";
	if (is_replay(sa, number))
		return "replay";
	high = number >> 32;
	if (!unseal(sa, esp, n, (uint32_t)high, text, text_size)) {
		bool found = false;

		if (!sa->esn || !sa->resync_limit || ++sa->failures < sa->resync_trigger)
			return "integrity";
		for (uint64_t i = 1; i <= sa->resync_limit && high + i <= UINT32_MAX && !found; i++) {
			if (unseal(sa, esp, n, (uint32_t)(high + i), text, text_size)) {
				number = (high + i) << 32 | low;
				found = true;
			}
		}
		if (!found)
			return "integrity";
	}
	sa->failures = 0;
	accept_number(sa, number);
	return NULL;
}

/* An ESP packet of n octets at esp, in the packet that starts at outer. */
static struct outcome inbound_esp(const uint8_t *outer, const struct ip *ip, const uint8_t *esp, size_t n)
{
	struct outcome outcome;
	const char *reason;
	size_t text_size;
	uint8_t *text;
	struct sa *sa;
	unsigned pad;
	int next;

	if (n < 8)
		return dropped("malformed");
	sa = get32(esp) ? find_inbound(get32(esp), ip) : NULL;
	if (!sa)
		return dropped("no-sa");
	if (expired(sa, n > 8 + sa->cipher->iv + ICV ? n - 8 - sa->cipher->iv - ICV : 0))
		return dropped("expired");

	text = get_memory(n);
	reason = authenticate(sa, esp, n, text, &text_size);
	if (reason) {
		outcome = dropped(reason);
		goto out;
	}
	outcome = dropped("padding");
	if (text_size < 2)
		goto out;
	next = text[text_size - 1];
	pad = text[text_size - 2];
	if (pad > text_size - 2)
		goto out;
	for (unsigned i = 0; i < pad; i++)
		if (!defect_padding && text[text_size - 2 - pad + i] != i + 1)
			goto out;
	if (next == P_NONE)
		outcome = dropped("dummy");
	else if (sa->tunnel)
		outcome = leave_tunnel(outer, text, text_size - 2 - pad, next);
	else
		outcome = leave_transport(outer, ip, text, text_size - 2 - pad, next);
	if (outcome.packet && !sa->tunnel && sa->udp)
		correct_checksum(outcome.packet, ip->upper, outcome.size, next);
	if (outcome.packet && !selected(sa, outcome.packet, outcome.size)) {
		free(outcome.packet);
		outcome = dropped("selector");
	}
	if (outcome.packet) {
		outcome.sa = sa;
		sa->packets++;
		sa->octets += text_size;
	}
out:
	free(text);
	return outcome;
}

static struct outcome inbound(const uint8_t *packet, size_t n)
{
	const uint8_t *upper;
	size_t size, udp_size;
	struct ip ip;

	if (!parse_ip(packet, n, &ip) || ip.broken)
		return dropped("malformed");
	if (ip.version == 4 && sum16(packet, ip.upper, 0) != 0xffff)
		return dropped("malformed");
	upper = packet + ip.upper;
	size = ip.total - ip.upper;
	if (ip.proto == P_ESP)
		return ip.fragment ? dropped("fragment") : inbound_esp(packet, &ip, upper, size);
	if (ip.proto != P_UDP || size < 4 || !is_encapsulation_port(get16(upper + 2)))
		return passed("bypass");
	if (ip.fragment)
		return dropped("fragment");
	udp_size = size < 8 ? 0 : get16(upper + 4);
	if (udp_size < 8 || udp_size > size)
		return dropped("malformed");
	upper += 8;
	size = udp_size - 8;
	if (size == 1 && upper[0] == 0xff)
		return dropped("keepalive");
	if (size < 4)
		return dropped("malformed");
	if (get32(upper) == 0)
		return passed("ike");
	return inbound_esp(packet, &ip, upper, size);
}

/* ------------------------------------------------------------------ JSON */

static const cJSON *member(const cJSON *object, const char *name)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNull(value) ? NULL : value;
}

static const char *text_member(const cJSON *object, const char *name, const char *otherwise)
{
	const cJSON *value = member(object, name);

	return cJSON_IsString(value) ? value->valuestring : otherwise;
}

static bool bool_member(const cJSON *object, const char *name) { return cJSON_IsTrue(member(object, name)); }

static uint64_t integer(const cJSON *value)
{
	return value->valuedouble >= 0 && value->valuedouble <= 9007199254740992.0 ? (uint64_t)value->valuedouble : 0;
}

static uint64_t integer_member(const cJSON *object, const char *name, uint64_t otherwise)
{
	const cJSON *value = member(object, name);

	return cJSON_IsNumber(value) ? integer(value) : otherwise;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* NULL: not hexadecimal. Otherwise a block of exactly *n octets. */
static uint8_t *octets(const char *text, size_t *n)
{
	size_t digits = text ? strlen(text) : 1;
	uint8_t *out;

	if (digits % 2)
		return NULL;
	*n = digits / 2;
	out = get_memory(*n);
	for (size_t i = 0; i < *n; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0) {
			free(out);
			return NULL;
		}
		out[i] = (uint8_t)(high << 4 | low);
	}
	return out;
}

static cJSON *answer(const char *result)
{
	cJSON *object = need(cJSON_CreateObject());

	cJSON_AddStringToObject(object, "result", result);
	return object;
}

static cJSON *answer_with(const char *result, const char *name, const char *text)
{
	cJSON *object = answer(result);

	cJSON_AddStringToObject(object, name, text);
	return object;
}

static cJSON *refused(const char *reason) { return answer_with("refused", "reason", reason); }
static cJSON *unsupported(const char *what) { return answer_with("unsupported", "what", what); }
static cJSON *error(const char *message) { return answer_with("error", "message", message); }

/* Takes the packet of the outcome. */
static cJSON *answer_outcome(struct outcome outcome)
{
	static const char digits[] = "0123456789abcdef";
	cJSON *object;

	if (!outcome.packet) {
		const char *name = strcmp(outcome.result, "passed") == 0 ? "to" :
				   strcmp(outcome.result, "unsupported") == 0 ? "what" : "reason";

		return answer_with(outcome.result, name, outcome.reason);
	}
	char *text = get_memory(2 * outcome.size + 1);

	for (size_t i = 0; i < outcome.size; i++) {
		text[2 * i] = digits[outcome.packet[i] >> 4];
		text[2 * i + 1] = digits[outcome.packet[i] & 15];
	}
	text[2 * outcome.size] = 0;
	object = answer_with(outcome.result, "packet", text);
	if (strcmp(outcome.result, "delivered") == 0)
		cJSON_AddStringToObject(object, "sa", outcome.sa->name);
	free(text);
	free(outcome.packet);
	return object;
}

/* ------------------------------------------------------------------ operations */

static const char capabilities[] =
	"{\"encryption\":{\"ENCR_AES_GCM_16\":[16,32],\"ENCR_AES_CBC\":[16,32],\"ENCR_NULL\":[0]},"
	"\"integrity\":[\"NONE\",\"AUTH_HMAC_SHA2_256_128\"],\"directions\":[\"in\",\"out\"],"
	"\"modes\":[\"transport\",\"tunnel\"],\"families\":[\"4in4\",\"6in4\",\"4in6\",\"6in6\"],\"esn\":[false,true],"
	"\"replay_windows\":{\"minimum\":32,\"maximum\":1024,\"step\":1,\"off\":true},"
	"\"set_sequence\":true,\"set_window\":true,\"set_iv\":true,\"udp\":[4,6],\"udp_ports\":true,\"tfc\":true,"
	"\"dummy\":true,\"dscp\":[\"copy\",\"fixed\"],\"ecn\":[\"normal\",\"compatibility\"],"
	"\"df\":[\"copy\",\"set\",\"clear\"],\"hop_limit\":true,"
	"\"lookup\":[\"spi\",\"spi+destination\",\"spi+destination+source\"],\"selectors\":true,\"resynchronise\":true,"
	"\"lifetimes\":[\"packets\",\"octets\",\"seconds\"],"
	"\"read_state\":[\"sequence\",\"received_offsets\",\"packets\",\"octets\",\"lifetime\"],"
	"\"delete_sa\":true,\"max_packet\":65535,\"ipv4_options\":true,\"ipv6_extension_headers\":true,"
	"\"drop_reasons\":true}";

static cJSON *op_hello(const cJSON *request)
{
	const cJSON *version;

	cJSON_ArrayForEach(version, member(request, "protocols")) {
		if (cJSON_IsNumber(version) && version->valuedouble == 1) {
			cJSON *object = answer("hello");

			cJSON_AddNumberToObject(object, "protocol", 1);
			cJSON_AddStringToObject(object, "name", "stranger");
			cJSON_AddStringToObject(object, "version", "1");
			cJSON_AddTrueToObject(object, "batch");
			cJSON_AddRawToObject(object, "capabilities", capabilities);
			return object;
		}
	}
	return refused("only protocol 1 is spoken here");
}

/* Octets of a key: at most `room` are stored, *n is how many there were. */
static bool key_member(const cJSON *object, const char *name, uint8_t *key, size_t room, size_t *n)
{
	uint8_t *all = octets(text_member(object, name, ""), n);

	if (!all)
		return false;
	memcpy(key, all, *n < room ? *n : room);
	OPENSSL_cleanse(all, *n);
	free(all);
	return true;
}

static int address(const char *text, uint8_t out[16])
{
	if (text && inet_pton(AF_INET, text, out) == 1)
		return 4;
	return text && inet_pton(AF_INET6, text, out) == 1 ? 6 : 0;
}

static bool sequence_member(const cJSON *object, uint64_t *number)
{
	const char *text = text_member(object, "sequence", "0000000000000000");
	size_t n;
	uint8_t *value = octets(text, &n);
	bool right = value && n == 8;

	if (right)
		*number = (uint64_t)get32(value) << 32 | get32(value + 4);
	free(value);
	return right;
}

static bool prefix_member(const cJSON *object, const char *name, struct prefix *prefix)
{
	const char *text = text_member(object, name, NULL);
	char copy[80];
	char *slash;

	if (!text)
		return !member(object, name);
	if (strlen(text) >= sizeof copy)
		return false;
	strcpy(copy, text);
	slash = strchr(copy, '/');
	if (slash)
		*slash = 0;
	prefix->set = true;
	prefix->version = address(copy, prefix->address);
	prefix->bits = slash ? atoi(slash + 1) : prefix->version == 4 ? 32 : 128;
	return prefix->version && prefix->bits >= 0 && prefix->bits <= (prefix->version == 4 ? 32 : 128);
}

static bool selectors_member(const cJSON *object, struct sa *sa)
{
	const cJSON *list = member(object, "selectors"), *item;

	sa->selectors = get_memory((size_t)cJSON_GetArraySize(list) * sizeof *sa->selectors);
	cJSON_ArrayForEach(item, list) {
		struct selector *s = &sa->selectors[sa->selector_count];

		memset(s, 0, sizeof *s);
		s->proto = -1;
		if (member(item, "protocol"))
			s->proto = (int)integer_member(item, "protocol", 0);
		if (!prefix_member(item, "source", &s->source) || !prefix_member(item, "destination", &s->destination))
			return false;
		sa->selector_count++;
	}
	return true;
}

static void limits_member(const cJSON *sa, const char *kind, struct limits *limits)
{
	static const char *const units[] = { "packets", "octets", "seconds" };
	bool *const set[] = { &limits->packets_set, &limits->octets_set, &limits->seconds_set };
	uint64_t *const value[] = { &limits->packets, &limits->octets, &limits->seconds };
	const cJSON *lifetime = member(sa, "lifetime");

	for (int i = 0; i < 3; i++) {
		char name[32];

		snprintf(name, sizeof name, "%s_%s", kind, units[i]);
		*set[i] = member(lifetime, name) != NULL;
		*value[i] = integer_member(lifetime, name, 0);
	}
}

/* Index of text in the list, -1: not there. */
static int which(const char *text, const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(text, list[i]) == 0)
			return i;
	return -1;
}

/* Algorithms, keys and salt. NULL: right. */
static cJSON *read_algorithms(const cJSON *object, struct sa *sa)
{
	const char *encr = text_member(object, "encr", ""), *auth = text_member(object, "auth", "NONE");
	size_t salt, auth_key, limit = sizeof ciphers / sizeof *ciphers;
	bool none = strcmp(auth, "NONE") == 0;

	if (strcmp(auth, "AUTH_AES_128_GMAC") == 0)
		return refused("AUTH_AES_128_GMAC is for AH (RFC 4543)");
	for (size_t i = 0; i < limit; i++)
		if (strcmp(encr, ciphers[i].name) == 0)
			sa->cipher = &ciphers[i];
	if (!sa->cipher)
		return unsupported("encr");
	if (!key_member(object, "encr_key", sa->key, sizeof sa->key, &sa->key_size) ||
	    !key_member(object, "salt", sa->salt, sizeof sa->salt, &salt) ||
	    !key_member(object, "auth_key", sa->auth_key, sizeof sa->auth_key, &auth_key))
		return error("a key is not hexadecimal");
	if (sa->cipher->combined && !none)
		return refused("a combined-mode algorithm with an integrity algorithm");
	if (!sa->cipher->combined && none)
		return refused("no integrity algorithm");
	if (!none && strcmp(auth, "AUTH_HMAC_SHA2_256_128") != 0)
		return unsupported("auth");
	if (auth_key != (none ? 0 : 32))
		return refused("size of auth_key");
	if (salt != sa->cipher->salt)
		return refused("size of salt");
	if (strcmp(encr, "ENCR_NULL") == 0) {
		if (sa->key_size)
			return refused("ENCR_NULL has no key");
	} else if (sa->key_size != 16 && sa->key_size != 32) {
		return sa->key_size == 24 ? unsupported("keys of 24 octets") : refused("size of encr_key");
	}
	return NULL;
}

/* Everything of an SA. NULL: right. */
static cJSON *read_sa(const cJSON *object, struct sa *sa)
{
	static const char *const lookups[] = { "spi", "spi+destination", "spi+destination+source" };
	static const char *const dfs[] = { "copy", "set", "clear" };
	static const char *const ecns[] = { "normal", "compatibility" };
	const char *name = text_member(object, "name", NULL), *mode = text_member(object, "mode", "");
	const char *direction = text_member(object, "direction", "");
	const cJSON *udp = member(object, "udp"), *dscp = member(object, "dscp"), *item;
	uint64_t spi = integer_member(object, "spi", UINT64_MAX), window, hop_limit;
	int lookup, df, ecn;
	cJSON *problem;

	if (!name)
		return error("no name");
	sa->name = need(strdup(name));
	sa->inbound = strcmp(direction, "in") == 0;
	if (!sa->inbound && strcmp(direction, "out") != 0)
		return error("direction");
	sa->tunnel = strcmp(mode, "tunnel") == 0;
	if (!sa->tunnel && strcmp(mode, "transport") != 0)
		return unsupported("mode");
	if (spi > UINT32_MAX)
		return error("spi");
	if (!spi)
		return refused("SPI 0");
	sa->spi = (uint32_t)spi;
	sa->version = address(text_member(object, "source", NULL), sa->source);
	if (!sa->version)
		return error("source");
	switch (address(text_member(object, "destination", NULL), sa->destination)) {
	case 0: return error("destination");
	case 4: if (sa->version != 4) return refused("ends of two IP versions"); break;
	case 6: if (sa->version != 6) return refused("ends of two IP versions"); break;
	}
	problem = read_algorithms(object, sa);
	if (problem)
		return problem;
	sa->esn = bool_member(object, "esn");
	if (!sequence_member(object, &sa->sequence))
		return error("sequence");
	if (!sa->esn && sa->sequence > UINT32_MAX)
		return refused("sequence has more than 32 bits, without ESN");
	window = integer_member(object, "replay_window", 64);
	if (sa->inbound) {
		if (window && (window < 32 || window > RING))
			return unsupported("replay_window");
		sa->window = (uint32_t)window;
		if (sa->sequence)
			mark(sa, sa->sequence);
		cJSON_ArrayForEach(item, member(object, "received_offsets"))
			if (cJSON_IsNumber(item) && integer(item) < RING && integer(item) <= sa->sequence)
				mark(sa, sa->sequence - integer(item));
	}
	if (udp) {
		sa->udp = true;
		sa->source_port = (uint16_t)integer_member(udp, "source_port", 4500);
		sa->destination_port = (uint16_t)integer_member(udp, "destination_port", 4500);
	}
	sa->dscp = cJSON_IsNumber(dscp) ? (int)(integer(dscp) & 63) : -1;
	hop_limit = integer_member(object, "hop_limit", 64);
	if (!hop_limit || hop_limit > 255)
		return unsupported("hop_limit");
	sa->hop_limit = (uint8_t)hop_limit;
	lookup = which(text_member(object, "lookup", "spi"), lookups, 3);
	df = which(text_member(object, "df", "copy"), dfs, 3);
	ecn = which(text_member(object, "ecn", "normal"), ecns, 2);
	if (lookup < 0 || df < 0 || ecn < 0)
		return unsupported(lookup < 0 ? "lookup" : df < 0 ? "df" : "ecn");
	sa->lookup = (enum lookup)lookup;
	sa->df = (enum df)df;
	sa->ecn_compatibility = ecn == 1;
	limits_member(object, "soft", &sa->soft);
	limits_member(object, "hard", &sa->hard);
	if (!selectors_member(object, sa))
		return error("selectors");
	sa->resync_trigger = integer_member(object, "resync_trigger", 16);
	sa->resync_limit = integer_member(object, "resync_limit", 0);
	sa->added = now;
	if (RAND_bytes((uint8_t *)&sa->iv_base, sizeof sa->iv_base) != 1)
		crypto_failure();
	return NULL;
}

/* Two inbound SAs that no packet could tell apart. */
static bool ambiguous(const struct sa *a, const struct sa *b)
{
	if (!a->inbound || !b->inbound || a->spi != b->spi || a->lookup != b->lookup)
		return false;
	if (a->lookup == BY_SPI)
		return true;
	if (a->version != b->version || memcmp(a->destination, b->destination, 16) != 0)
		return false;
	return a->lookup == BY_DESTINATION || memcmp(a->source, b->source, 16) == 0;
}

static cJSON *op_add_sa(const cJSON *request)
{
	struct sa *sa = need(calloc(1, sizeof *sa));
	cJSON *problem = read_sa(member(request, "sa"), sa);

	if (!problem && find_name(sa->name))
		problem = refused("the name is in use");
	for (const struct sa *other = sas; !problem && other; other = other->next)
		if (ambiguous(sa, other))
			problem = refused("an inbound SA has this SPI and these addresses");
	if (problem) {
		free_sa(sa);
		return problem;
	}
	sa->next = sas;
	sas = sa;
	return answer("done");
}

static cJSON *op_delete_sa(const cJSON *request)
{
	struct sa *sa = find_name(text_member(request, "sa", ""));
	struct sa **link = &sas;

	if (!sa)
		return refused("no such SA");
	while (*link != sa)
		link = &(*link)->next;
	*link = sa->next;
	free_sa(sa);
	return answer("done");
}

static struct outcome outbound_text(const cJSON *request, const char *hex)
{
	struct sa *sa = find_name(text_member(request, "sa", ""));
	const char *iv_text = text_member(request, "iv", NULL);
	struct outbound_options options = { .dummy = bool_member(request, "dummy"),
					    .tfc = integer_member(request, "tfc", 0) };
	struct outcome outcome = { .result = "unsupported", .reason = "iv" };
	size_t n, iv_size = 0;
	uint8_t *packet = octets(hex, &n), *iv = iv_text ? octets(iv_text, &iv_size) : NULL;

	options.iv = iv;
	if (!packet)
		outcome = dropped("malformed");
	else if (sa && options.tfc && !sa->tunnel)
		outcome.reason = "tfc in transport mode";
	else if (!sa || !iv_text || (iv && iv_size == sa->cipher->iv))
		outcome = outbound(sa, packet, n, &options);
	free(packet);
	free(iv);
	return outcome;
}

static struct outcome inbound_text(const char *hex)
{
	size_t n;
	uint8_t *packet = octets(hex, &n);
	struct outcome outcome = packet ? inbound(packet, n) : dropped("malformed");

	free(packet);
	return outcome;
}

static cJSON *op_burst(const cJSON *request, bool is_inbound)
{
	cJSON *object = answer("burst"), *results = cJSON_AddArrayToObject(object, "results");
	const cJSON *item;

	cJSON_ArrayForEach(item, member(request, "packets")) {
		const char *hex = cJSON_IsString(item) ? item->valuestring : NULL;

		cJSON_AddItemToArray(results, answer_outcome(is_inbound ? inbound_text(hex) : outbound_text(request, hex)));
	}
	return object;
}

static cJSON *op_read_state(const cJSON *request)
{
	const struct sa *sa = find_name(text_member(request, "sa", ""));
	char number[17];
	cJSON *object;

	if (!sa)
		return refused("no such SA");
	object = answer("state");
	snprintf(number, sizeof number, "%016llx", (unsigned long long)sa->sequence);
	cJSON_AddStringToObject(object, "sequence", number);
	if (sa->inbound && sa->window) {
		cJSON *offsets = cJSON_AddArrayToObject(object, "received_offsets");

		for (uint64_t i = 0; i < sa->window; i++) {
			if (received(sa, sa->sequence - i) && (sa->sequence || i))
				cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)i));
			if (i == sa->sequence)
				break;
		}
	}
	snprintf(number, sizeof number, "%llu", (unsigned long long)sa->packets);
	cJSON_AddRawToObject(object, "packets", number);
	snprintf(number, sizeof number, "%llu", (unsigned long long)(sa->octets & 0xfffffffffffff));
	cJSON_AddRawToObject(object, "octets", number);
	cJSON_AddStringToObject(object, "lifetime",
				reached(sa, &sa->hard) ? "hard" : reached(sa, &sa->soft) ? "soft" : "ok");
	return object;
}

static cJSON *carry_out(const cJSON *request, bool in_batch)
{
	const char *op = text_member(request, "op", NULL);

	if (!op)
		return error("no op");
	if (strcmp(op, "hello") == 0 && !in_batch)
		return op_hello(request);
	if (strcmp(op, "reset") == 0) {
		forget_all();
		return answer("done");
	}
	if (strcmp(op, "add_sa") == 0)
		return op_add_sa(request);
	if (strcmp(op, "delete_sa") == 0)
		return op_delete_sa(request);
	if (strcmp(op, "outbound") == 0)
		return answer_outcome(outbound_text(request, text_member(request, "packet", NULL)));
	if (strcmp(op, "inbound") == 0)
		return answer_outcome(inbound_text(text_member(request, "packet", NULL)));
	if (strcmp(op, "outbound_burst") == 0)
		return op_burst(request, false);
	if (strcmp(op, "inbound_burst") == 0)
		return op_burst(request, true);
	if (strcmp(op, "read_state") == 0)
		return op_read_state(request);
	if (strcmp(op, "advance_time") == 0) {
		now += integer_member(request, "seconds", 0);
		return answer("done");
	}
	if (strcmp(op, "batch") == 0 && !in_batch) {
		cJSON *object = answer("batch"), *results = cJSON_AddArrayToObject(object, "results");
		const cJSON *step;

		cJSON_ArrayForEach(step, member(request, "steps"))
			cJSON_AddItemToArray(results, carry_out(step, true));
		return object;
	}
	return unsupported(op);
}

int main(int argc, char **argv)
{
	char *line = NULL, *text;
	size_t room = 0;
	ssize_t n;

	for (int i = 1; i < argc; i++) {
		bool *defect = strcmp(argv[i], "--defect=replay-window-off-by-one") == 0 ? &defect_window :
			       strcmp(argv[i], "--defect=esn-high-not-authenticated") == 0 ? &defect_esn :
			       strcmp(argv[i], "--defect=padding-not-checked-zero-fill") == 0 ? &defect_padding : NULL;

		if (!defect) {
			fprintf(stderr, "stranger: what is %s?\n", argv[i]);
			return 2;
		}
		*defect = true;
	}
	while ((n = getline(&line, &room, stdin)) > 0) {
		cJSON *request = cJSON_ParseWithLength(line, (size_t)n);
		cJSON *object = cJSON_IsObject(request) ? carry_out(request, false) : error("not a JSON object");
		const cJSON *id = member(request, "id");
		char number[32];

		snprintf(number, sizeof number, "%.0f", cJSON_IsNumber(id) ? id->valuedouble : 0.0);
		cJSON_AddRawToObject(object, "id", number);
		text = need(cJSON_PrintUnformatted(object));
		fputs(text, stdout);
		fputc('\n', stdout);
		fflush(stdout);
		cJSON_free(text);
		cJSON_Delete(object);
		cJSON_Delete(request);
	}
	forget_all();
	free(line);
	return 0;
}
