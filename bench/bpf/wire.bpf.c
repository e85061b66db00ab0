/* The packet benchmark's wire: a program in a relay's place that sends every UDP frame back by the
 * device it came by. It swaps the link addresses, because the other end takes only frames that are
 * addressed to it, and does nothing else: what it costs, the bed costs.
 * Compiled by scripts/build-bpf; needs no headers.
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SECTION(name) __attribute__((section(name), used))
#define AT(type, place) (*(type *)(place))

struct xdp_md { u32 data, data_end, data_meta, ingress, queue, egress; };
enum { XDP_PASS = 2, XDP_TX = 3 };
enum { ETH = 14, UDP = 17, PROTOCOL_OF_V4 = ETH + 9, PROTOCOL_OF_V6 = ETH + 6 };

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the frames are laid out for little-endian machines"
#endif

SECTION("xdp") int wire(struct xdp_md *frame)
{
	u8 *d = (u8 *)(u64)frame->data, *end = (u8 *)(u64)frame->data_end;
	u32 first, middle, last;

	if (d + PROTOCOL_OF_V4 + 1 > end)
		return XDP_PASS;
	/* Neighbour discovery and the like are the kernel's. */
	if (!(AT(u16, d + 12) == 0x0008 && d[PROTOCOL_OF_V4] == UDP) &&
	    !(AT(u16, d + 12) == 0xdd86 && d[PROTOCOL_OF_V6] == UDP))
		return XDP_PASS;
	first = AT(u32, d);
	middle = AT(u32, d + 4);
	last = AT(u32, d + 8);
	AT(u32, d) = middle >> 16 | last << 16;
	AT(u32, d + 4) = last >> 16 | first << 16;
	AT(u32, d + 8) = first >> 16 | middle << 16;
	return XDP_TX;
}

char terms[] SECTION("license") = "GPL";
/* Which source this is, and what compiled it; see scripts/build-bpf. */
char origin[] SECTION("made_of") = SOURCE " clang " __clang_version__;
