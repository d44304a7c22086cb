// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// MaxLine bounds a line in bytes: a batch as a JSON array is one.
const MaxLine = 8 << 20

// Add reads lines of events. What a line has before its first brace or bracket,
// as the time that a syslog server writes, is passed over. Lines that are no
// events are faults; the error is of the reader only.
func (c *Checker) Add(name string, r io.Reader) error {
	c.files = append(c.files, name)
	br := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	for n := uint64(1); ; n++ {
		var long bool
		var err error
		line, long, err = readLine(br, line[:0])
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if text := bytes.TrimSpace(line); len(text) > 0 || long {
			c.report.Lines++
			c.now = place{len(c.files) - 1, n}
			if long {
				c.fault("%s:%d: the line is longer than %d bytes", name, n, MaxLine)
			} else if err := c.line(text); err != nil {
				c.fault("%s:%d: %v", name, n, err)
			}
		}
		if err != nil {
			return nil
		}
	}
}

// readLine reads a line into dst; of one that is too long nothing is kept.
func readLine(br *bufio.Reader, dst []byte) (line []byte, long bool, err error) {
	for {
		part, err := br.ReadSlice('\n')
		if !long {
			dst = append(dst, part...)
		}
		if len(dst) > MaxLine {
			dst, long = dst[:0], true
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return dst, long, err
		}
	}
}

// line adds the events of one line.
func (c *Checker) line(text []byte) error {
	i := bytes.IndexAny(text, "{[")
	if i < 0 {
		return errors.New("it is not an event")
	}
	// A structured-data element of syslog begins with a bracket too.
	if j := bytes.IndexByte(text, '{'); text[i] == '[' && j > i && len(bytes.TrimSpace(text[i+1:j])) > 0 {
		i = j
	}
	text = text[i:]
	if text[0] == '{' {
		v, err := decodeObject(text)
		if err != nil {
			return err
		}
		return c.event(v)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var list []map[string]any
	if err := dec.Decode(&list); err != nil {
		return errors.New("it is not an event")
	}
	for _, v := range list {
		if err := c.event(v); err != nil {
			return err
		}
	}
	return nil
}

func decodeObject(text []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil || v == nil {
		return nil, errors.New("it is not an event")
	}
	if dec.More() {
		return nil, errors.New("it has something behind the event")
	}
	return v, nil
}

// event adds one event.
func (c *Checker) event(v map[string]any) error {
	list, _ := v["attestation_list"].([]any)
	if len(list) == 0 {
		return errors.New("it has no attestation_list")
	}
	first, _ := list[0].(map[string]any)
	uid, _ := first["uid"].(string)
	origin, index, err := splitUID(uid)
	if err != nil {
		return err
	}
	meta, _ := v["metadata"].(map[string]any)
	if meta["uid"] != uid {
		return fmt.Errorf("its metadata.uid is not that of its attestation, %d", index)
	}
	e := entry{at: c.now, index: index}
	if e.hash, err = hashOf(first); err != nil {
		return err
	}
	if prev, ok := first["prev_event"].(map[string]any); ok {
		prevUID, _ := prev["uid"].(string)
		prevOrigin, n, err := splitUID(prevUID)
		if err != nil || prevOrigin != origin || n+1 != index {
			return fmt.Errorf("event %d names another event than the one before it", index)
		}
		if e.prev, err = hashOf(prev); err != nil {
			return err
		}
		e.hasPrev = true
	}
	if err := c.second(v, list, index); err != nil {
		return err
	}
	id, ok := c.byName[origin]
	if !ok {
		id = len(c.origins)
		c.byName[origin], c.origins = id, append(c.origins, strings.Clone(origin))
	}
	e.origin = id
	c.entries = append(c.entries, e)
	if c.keep != nil && c.keep(origin, index) {
		c.kept[index] = c.digest(v)
	}
	return nil
}

// second checks the attestation of the event itself.
func (c *Checker) second(v map[string]any, list []any, index uint64) error {
	if c.opt.LeavesOnly {
		return nil
	}
	if len(list) < 2 {
		return fmt.Errorf("event %d has lost its second attestation", index)
	}
	if own, ok := list[1].(map[string]any); !ok || !intact(v, own) {
		return fmt.Errorf("event %d is not what was sent: it does not have its own digest", index)
	}
	return nil
}

// splitUID reads an event's uid: the origin, "#" and the index.
func splitUID(uid string) (origin string, index uint64, err error) {
	i := strings.LastIndexByte(uid, '#')
	if i <= 0 || i > 255 {
		return "", 0, errors.New("its attestation has no uid of a ledger's event")
	}
	digits := uid[i+1:]
	index, err = strconv.ParseUint(digits, 10, 63)
	if err != nil || strconv.FormatUint(index, 10) != digits {
		return "", 0, errors.New("its attestation has no uid of a ledger's event")
	}
	return uid[:i], index, nil
}

func hashOf(o map[string]any) (tlog.Hash, error) {
	var h tlog.Hash
	print, _ := o["fingerprint"].(map[string]any)
	value, _ := print["value"].(string)
	b, err := hex.DecodeString(value)
	if err != nil || len(b) != len(h) {
		return h, errors.New("its attestation has no hash of a leaf")
	}
	copy(h[:], b)
	return h, nil
}
