package embedded

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake can refuse a request, but cannot act on an EndTxn and then keep the
// answer to itself. With Config.Faults, the connections it accepts are
// therefore wrapped: a request on its way in is matched against the armed
// faults, and the answer with its correlation id is spoilt on the way out.

// WireFault is a fault that strikes after the broker has acted.
type WireFault struct {
	txnID  string
	answer answer
	left   int // guarded by wires.mu
	hits   atomic.Int64
}

// Hits returns how many answers were spoilt so far.
func (f *WireFault) Hits() int { return int(f.hits.Load()) }

type answer int

const (
	timedOut    answer = iota // REQUEST_TIMED_OUT in place of the result
	serverError               // UNKNOWN_SERVER_ERROR in place of the result
	cut                       // the connection is closed instead
)

var errCut = errors.New("connection cut by an injected fault")

// wires is the set of armed faults, shared by all connections of a cluster.
type wires struct {
	mu     sync.Mutex
	faults []*WireFault
	armed  atomic.Bool
}

func (w *wires) add(f *WireFault) *WireFault {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, f)
	w.armed.Store(true)
	return f
}

// take returns the fault that strikes req, having used one of its times.
func (w *wires) take(req *kmsg.EndTxnRequest) *WireFault {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.faults {
		if f.left > 0 && (f.txnID == "" || f.txnID == req.TransactionalID) {
			f.left--
			return f
		}
	}
	return nil
}

func (w *wires) listen(network, address string) (net.Listener, error) {
	ln, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return &listener{Listener: ln, wires: w}, nil
}

type listener struct {
	net.Listener
	wires *wires
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &wire{Conn: c, wires: l.wires}, nil
}

// wire is the broker's end of one connection. kfake reads it from one
// goroutine and writes each answer whole, with one Write.
type wire struct {
	net.Conn
	wires *wires

	head  []byte // of the frame being read: its size, API key and version
	left  int    // bytes of the frame still to come
	frame []byte // the frame without its size, if it is worth looking at
	watch bool

	mu    sync.Mutex
	spoil map[int32]*spoilt // by correlation id
}

type spoilt struct {
	fault   *WireFault
	version int16
}

func (c *wire) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.scan(p[:n])
	return n, err
}

// frameHeadBytes is what scan needs to know a frame: size 4, key 2, version 2.
const frameHeadBytes = 8

func (c *wire) scan(p []byte) {
	for len(p) > 0 {
		if c.left == 0 {
			n := min(len(p), frameHeadBytes-len(c.head))
			c.head, p = append(c.head, p[:n]...), p[n:]
			if len(c.head) < frameHeadBytes {
				return
			}
			c.left = max(0, int(binary.BigEndian.Uint32(c.head))-(frameHeadBytes-4))
			key := kmsg.Key(binary.BigEndian.Uint16(c.head[4:]))
			c.watch = key == kmsg.EndTxn && c.wires.armed.Load()
			c.frame = append(c.frame[:0], c.head[4:]...)
		}
		n := min(len(p), c.left)
		if c.watch {
			c.frame = append(c.frame, p[:n]...)
		}
		c.left, p = c.left-n, p[n:]
		if c.left == 0 {
			if c.watch {
				c.match()
			}
			c.head = c.head[:0]
		}
	}
}

// match parses the EndTxn just read and notes its correlation id if a fault
// strikes it.
func (c *wire) match() {
	r := kbin.Reader{Src: c.frame}
	req := kmsg.NewPtrEndTxnRequest()
	_, version, correlation := r.Int16(), r.Int16(), r.Int32()
	r.NullableString()
	req.SetVersion(version)
	if req.IsFlexible() {
		kmsg.SkipTags(&r)
	}
	if req.ReadFrom(r.Src) != nil {
		return
	}
	if f := c.wires.take(req); f != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.spoil == nil {
			c.spoil = make(map[int32]*spoilt)
		}
		c.spoil[correlation] = &spoilt{fault: f, version: version}
	}
}

// answerHeadBytes is size 4 and correlation id 4.
const answerHeadBytes = 8

func (c *wire) Write(p []byte) (int, error) {
	c.mu.Lock()
	var s *spoilt
	if len(c.spoil) > 0 && len(p) >= answerHeadBytes {
		correlation := int32(binary.BigEndian.Uint32(p[4:]))
		s = c.spoil[correlation]
		delete(c.spoil, correlation)
	}
	c.mu.Unlock()
	if s == nil {
		return c.Conn.Write(p)
	}

	s.fault.hits.Add(1)
	if s.fault.answer == cut {
		_ = c.Conn.Close()
		return 0, errCut
	}
	resp := kmsg.NewPtrEndTxnResponse()
	resp.SetVersion(s.version)
	resp.ErrorCode = kerr.RequestTimedOut.Code
	if s.fault.answer == serverError {
		resp.ErrorCode = kerr.UnknownServerError.Code
	}
	out := append([]byte(nil), p[:answerHeadBytes]...)
	if resp.IsFlexible() {
		out = append(out, 0) // no tagged fields in the header
	}
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
