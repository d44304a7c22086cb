// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport-dev/sallyport/evidence"
)

// maxAnswer bounds a witness's answer in bytes; a cosignature has some hundred.
const maxAnswer = 16 << 10

// peer is a witness as the client knows it.
type peer struct {
	evidence.TrustedWitness
	url  string
	size uint64 // of the last checkpoint that it is known to have cosigned
}

// disputed is what a witness says against the log itself.
type disputed struct {
	witness string
	says    string
}

func (e *disputed) Error() string { return fmt.Sprintf("the witness %q %s", e.witness, e.says) }

func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// ask asks every witness at the same time and returns the cosignatures that
// verify, in the order of the policy, and why the others are missing. The error
// is not nil when a witness disputes the log. The caller has the turn.
func (c *Client) ask(ctx context.Context, cp evidence.Checkpoint, signed []byte) (lines [][]byte, failed, err error) {
	limited, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	missing := ""
	got, errs := make([][]byte, len(c.peers)), make([]error, len(c.peers))
	var wg sync.WaitGroup
	for i, p := range c.peers {
		wg.Go(func() { got[i], errs[i] = c.askOne(limited, p, cp, signed) })
	}
	wg.Wait()
	for i, p := range c.peers {
		var d *disputed
		switch {
		case errors.As(errs[i], &d):
			return nil, nil, c.breakWith(d)
		case errs[i] != nil:
			errs[i] = fmt.Errorf("witness %q: %w", p.Name, errs[i])
			missing += p.Name + " "
		default:
			lines = append(lines, got[i])
		}
	}
	failed = errors.Join(errs...)
	c.tellMissing(ctx, missing, failed)
	return lines, failed, nil
}

// askOne gets the cosignature of one witness. A witness that knows another size
// than was thought is asked once more, from there.
func (c *Client) askOne(ctx context.Context, p *peer, cp evidence.Checkpoint, signed []byte) ([]byte, error) {
	for range 2 {
		req := request{old: min(p.size, cp.Size), checkpoint: signed}
		if req.old > 0 {
			proof, err := c.opt.Log.ConsistencyProof(ctx, req.old, cp.Size)
			if err != nil {
				return nil, err
			}
			req.proof = proof
		}
		a, err := c.post(ctx, p, req)
		if err != nil {
			return nil, err
		}
		line, again, err := a.judge(p, req, cp, signed)
		if !again {
			return line, err
		}
	}
	return nil, errors.New("it does not know the size that it named itself")
}

// answer is what a witness sent.
type answer struct {
	status int
	kind   string // content type
	body   []byte
}

func (c *Client) post(ctx context.Context, p *peer, req request) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(req.bytes()))
	if err != nil {
		return answer{}, errors.New("no request can be made for its URL")
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	r.Header.Set("User-Agent", "sallyport")
	res, err := c.opt.HTTP.Do(r)
	if err != nil {
		return answer{}, fmt.Errorf("it cannot be reached: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if cerr := res.Body.Close(); err == nil {
		err = cerr
	}
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("its answer broke off: %w", err)
	case len(body) > maxAnswer:
		return answer{}, errors.New("its answer does not end")
	}
	return answer{res.StatusCode, res.Header.Get("Content-Type"), body}, nil
}

// judge reads an answer (C2SP tlog-witness, "add-checkpoint"). again says that
// the witness is to be asked once more, from the size that it named.
func (a answer) judge(p *peer, req request, cp evidence.Checkpoint, signed []byte) (line []byte, again bool, err error) {
	switch a.status {
	case http.StatusOK:
		line, err := cosignatureOf(p.Cosigner, signed, a.body)
		if err == nil {
			p.size = cp.Size
		}
		return line, false, err
	case http.StatusConflict:
		if kind, _, err := mime.ParseMediaType(a.kind); err != nil || kind != sizeType {
			if req.old == cp.Size {
				return nil, false, &disputed{p.Name, "has seen another log of the same size"}
			}
			return nil, false, errors.New("it answers 409 without a size")
		}
		size, err := parseSize(strings.TrimSuffix(string(a.body), "\n"))
		switch {
		case err != nil:
			return nil, false, fmt.Errorf("it answers 409: %w", err)
		case size > cp.Size:
			return nil, false, &disputed{p.Name, fmt.Sprintf("has seen a longer log (%d events, this one has %d)", size, cp.Size)}
		case size == req.old:
			return nil, false, errors.New("it refuses the size that it names itself")
		}
		p.size = size
		return nil, true, nil
	case http.StatusUnprocessableEntity:
		if req.old == 0 {
			return nil, false, errors.New("it answers 422 where there is nothing to prove")
		}
		return nil, false, &disputed{p.Name, fmt.Sprintf("has seen another log: its tree of %d is not in this one of %d", req.old, cp.Size)}
	case http.StatusNotFound:
		return nil, false, errors.New("it does not know this ledger (404); its operator must add the ledger's verifier key")
	case http.StatusForbidden:
		return nil, false, errors.New("it does not know the key that signed (403); its operator must add the ledger's verifier key")
	}
	return nil, false, fmt.Errorf("it answers %d", a.status)
}

// cosignatureOf takes the witness's own verified signature line out of an answer.
func cosignatureOf(c *evidence.Cosigner, signed, body []byte) ([]byte, error) {
	text, _, _ := bytes.Cut(signed, []byte("\n\n"))
	n, err := note.Open(append(bytes.Clone(signed), body...), note.VerifierList(c))
	if err != nil {
		return nil, errors.New("its answer is not a cosignature of the checkpoint by its key")
	}
	// An empty line in the answer would make a longer text of it.
	if n.Text != string(text)+"\n" {
		return nil, errors.New("its answer is a cosignature of something else")
	}
	if _, err := c.At(n); err != nil {
		return nil, err
	}
	return signatureLine(n.Sigs[0].Name, n.Sigs[0].Base64), nil
}
