// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package asciicast

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/record"
)

// The codes of events, as asciicast has them, but for Errors.
const (
	Out    = "o"
	Errors = "e" // a cast has it as "o"
	In     = "i"
	Sized  = "r" // "COLUMNSxROWS"
	Mark   = "m" // what is to be said of the recording itself
	Exited = "x" // the exit status
)

// Event is something that happened while a program ran.
type Event struct {
	At   time.Duration // since its start
	Code string
	Text string
}

// Decoder decodes the frames of one statement, in their order.
type Decoder struct {
	start   *Start
	began   time.Duration // of the first frame, since the session's opening
	last    time.Duration // of the latest event
	ended   bool
	streams map[string]*runes
}

// Known reports whether a frame's kind is of a program's streams.
func Known(kind string) bool {
	switch kind {
	case KindStart, KindOut, KindErr, KindIn, KindResize, KindExit:
		return true
	}
	return false
}

// Start returns the head of the recording, or nil before it was decoded.
func (d *Decoder) Start() *Start { return d.start }

// Frame decodes one frame, whose kind is [Known] or record.KindTruncated. Frames of
// other kinds are passed over. An error has Kind Integrity.
func (d *Decoder) Frame(f record.Frame) ([]Event, error) {
	if f.Kind == KindStart {
		return nil, d.begin(f)
	}
	if d.start == nil {
		if Known(f.Kind) {
			return nil, broken("the recording of a program has no beginning", nil)
		}
		return nil, nil
	}
	d.last = max(d.last, f.At-d.began) // a clock that goes back does not take events along
	switch f.Kind {
	case KindOut:
		return d.text(Out, f.Data), nil
	case KindErr:
		return d.text(Errors, f.Data), nil
	case KindIn:
		return d.text(In, f.Data), nil
	case KindResize:
		var r Resize
		if json.Unmarshal(f.Data, &r) != nil {
			return nil, nil // it was cut by the limit of what is kept, which is told by the next frame
		}
		return d.event(Sized, strconv.Itoa(int(r.Columns))+"x"+strconv.Itoa(int(r.Rows))), nil
	case KindExit:
		var x Exit
		if json.Unmarshal(f.Data, &x) != nil {
			return nil, nil // as above
		}
		return append(d.flush(), d.exit(x)...), nil
	case record.KindTruncated:
		return append(d.flush(), d.event(Mark, strconv.FormatUint(f.Omitted, 10)+" bytes more were not kept")...), nil
	}
	return nil, nil
}

func (d *Decoder) begin(f record.Frame) error {
	var s Start
	if d.start != nil {
		return broken("the recording of a program begins twice", nil)
	}
	if err := json.Unmarshal(f.Data, &s); err != nil {
		return broken("the head of a program's recording cannot be read", err)
	}
	if s.Version != FrameVersion {
		return broken("the recording of a program is of another version", nil)
	}
	d.start, d.began, d.streams = &s, f.At, map[string]*runes{}
	return nil
}

func broken(msg string, err error) error {
	return sallyport.E(sallyport.Integrity, "asciicast", msg).WithHint("replay it with the release that wrote it, or a later one").Because(err)
}

func (d *Decoder) event(code, text string) []Event {
	return []Event{{At: d.last, Code: code, Text: text}}
}

// text decodes bytes of a stream.
func (d *Decoder) text(code string, b []byte) []Event {
	s := d.streams[code]
	if s == nil {
		s = &runes{returns: !d.start.TTY && code != In}
		d.streams[code] = s
	}
	if text := s.take(b); text != "" {
		return d.event(code, text)
	}
	return nil
}

// exit tells how the program ended.
func (d *Decoder) exit(x Exit) []Event {
	d.ended = true
	switch {
	case x.Lost:
		return d.event(Mark, "it is not known how the program ended")
	case x.Signal != "":
		return append(d.event(Mark, "signal "+x.Signal), d.event(Exited, strconv.Itoa(128+signals()[x.Signal]))...)
	}
	return d.event(Exited, strconv.Itoa(x.Code))
}

// Close returns what was held back.
func (d *Decoder) Close() []Event { return d.flush() }

// Ended reports whether the recording says how the program ended.
func (d *Decoder) Ended() bool { return d.ended }

func (d *Decoder) flush() []Event {
	var out []Event
	for _, code := range []string{Out, Errors, In} {
		if s := d.streams[code]; s != nil {
			if text := s.rest(); text != "" {
				out = append(out, d.event(code, text)...)
			}
		}
	}
	return out
}

// signals are the numbers of signals, which are the same on all systems that matter;
// what is not among them counts as 0.
func signals() map[string]int {
	return map[string]int{
		"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "FPE": 8, "KILL": 9, "SEGV": 11, "PIPE": 13, "ALRM": 14, "TERM": 15,
	}
}

// runes makes text of the bytes of a stream.
type runes struct {
	held    []byte // the beginning of a rune
	returns bool   // put a carriage return before each line feed
	last    byte
}

// take returns the text that is whole.
func (r *runes) take(b []byte) string {
	b = append(r.held, b...)
	cut := len(b)
	for i := max(0, len(b)-utf8.UTFMax+1); i < len(b); i++ {
		if utf8.RuneStart(b[i]) && !utf8.FullRune(b[i:]) {
			cut = i
			break
		}
	}
	text := r.text(b[:cut])
	r.held = append([]byte(nil), b[cut:]...)
	return text
}

// rest returns what was held back.
func (r *runes) rest() string {
	b := r.held
	r.held = nil
	return r.text(b)
}

func (r *runes) text(b []byte) string {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		c, n := utf8.DecodeRune(b)
		if c == '\n' && r.returns && r.last != '\r' {
			out = append(out, '\r')
		}
		out = utf8.AppendRune(out, c)
		r.last = b[n-1]
		b = b[n:]
	}
	return string(out)
}
