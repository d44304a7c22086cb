// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package browser drives the verifier's page in a real Chromium, from a file and
// without a network.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/sallyport-dev/sallyport/evidence"
)

// Page is the verifier's page in a browser of its own.
type Page struct {
	ctx context.Context
	dir string
	n   int

	mu      sync.Mutex
	strange []string // what a page that works offline does not do
}

// Fault is a line of the page's list.
type Fault struct{ File, Leaf, Byte, Msg string }

// Result is what the page says of a bundle.
type Result struct {
	Kind    string  // "good", "untrusted", "bad", or "" where nothing was checked
	Words   string  // the verdict
	Faults  []Fault // in its order
	Text    string  // everything that is on the page
	Stopped string  // why nothing was checked
}

// OK reports whether the bundle is whole.
func (r Result) OK() bool { return r.Kind == "good" || r.Kind == "untrusted" }

// Given is what an auditor puts into the form.
type Given struct{ Keys, Checkpoints, SealKeys, Policy string }

// find returns the browser that is there.
func find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no Chromium; test/scripts/install-system test installs it")
}

// Open starts a browser with the page, as it is printed for auditors. Both end
// with ctx. dir takes the page and the bundles.
func Open(ctx context.Context, dir string) (*Page, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, evidence.VerifierName)
	if err := os.WriteFile(file, evidence.VerifierPage(), 0o600); err != nil {
		return nil, err
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(bin), chromedp.DisableGPU,
		// No name resolves, so that whatever asked for one would fail.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"),
		chromedp.WSURLReadTimeout(2*time.Minute))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to run as root otherwise
	}
	ctx, stopBrowser := chromedp.NewExecAllocator(ctx, options...)
	ctx, stopTab := chromedp.NewContext(ctx)
	context.AfterFunc(ctx, func() { stopTab(); stopBrowser() })
	p := &Page{ctx: ctx, dir: dir}
	err = chromedp.Listen(ctx, p.watch)
	if err == nil {
		_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	}
	if err == nil {
		err = chromedp.Do(ctx, chromedp.Navigate("file://"+file))
	}
	if err != nil {
		stopTab()
		stopBrowser()
		return nil, fmt.Errorf("the page cannot be opened: %w", err)
	}
	return p, nil
}

// watch notes requests that would leave the machine, and errors.
func (p *Page) watch(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, "file://") && !strings.HasPrefix(url, "blob:") {
			p.strange = append(p.strange, "a request for "+url)
		}
	case *runtime.EventExceptionThrown:
		p.strange = append(p.strange, "an exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		p.strange = append(p.strange, "a line on the console")
	case *page.EventJavascriptDialogOpening:
		p.strange = append(p.strange, "a dialog: "+e.Message)
	}
}

// Strange lists what the page did and should not.
func (p *Page) Strange() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.strange)
}

// Check gives the page a bundle and what is trusted, and waits for the verdict.
func (p *Page) Check(bundle []byte, given Given) (Result, error) {
	p.n++
	name := filepath.Join(p.dir, fmt.Sprintf("bundle-%d.zip", p.n))
	if err := os.WriteFile(name, bundle, 0o600); err != nil {
		return Result{}, err
	}
	return p.CheckFile(name, given)
}

// CheckFile is Check for a bundle that lies in a file.
func (p *Page) CheckFile(name string, given Given) (Result, error) {
	if err := p.fill(given, chromedp.SetUploadFiles("#file", []string{name})); err != nil {
		return Result{}, err
	}
	return p.verdict()
}

// Drop is CheckFile by dragging the file onto the page.
func (p *Page) Drop(name string, given Given) (Result, error) {
	drop := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		for _, t := range []input.DispatchDragEventType{
			input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver, input.DispatchDragEventTypeDrop,
		} {
			_, err := chromedp.Call(ctx, input.DispatchDragEvent, input.DispatchDragEventParams{
				Type: t, X: 200, Y: 300, Data: &input.DragData{Items: []*input.DragDataItem{}, Files: []string{name}, DragOperationsMask: 1},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := p.fill(given, drop); err != nil {
		return Result{}, err
	}
	return p.verdict()
}

// fill fills the form and sends it.
func (p *Page) fill(given Given, choose chromedp.Action[chromedp.Void]) error {
	script := "document.getElementById('again').click();"
	for id, value := range map[string]string{"keys": given.Keys, "checkpoints": given.Checkpoints, "sealKeys": given.SealKeys, "policy": given.Policy} {
		script += fmt.Sprintf("document.getElementById(%q).value = %q;", id, value)
	}
	// The page answers at once, or not at all.
	ctx, stop := context.WithTimeout(p.ctx, 2*time.Minute)
	defer stop()
	return chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](script), choose, chromedp.WaitEnabled("#verify"), chromedp.Click("#verify"))
}

// said reads the page.
const said = `(() => {
	const list = document.getElementById('faults'), table = list && list.parentElement.querySelector('table');
	return {
		Kind: document.getElementById('result').hidden ? '' : document.getElementById('verdict').className,
		Words: document.getElementById('verdict').innerText,
		Stopped: document.getElementById('stopped').hidden ? '' : document.getElementById('stopped').innerText,
		Faults: table ? [...table.tBodies[0].rows].map(r => ({File: r.cells[0].textContent, Leaf: r.cells[1].textContent, Byte: r.cells[2].textContent, Msg: r.cells[3].textContent})) : [],
		Text: document.body.innerText,
	};
})()`

func (p *Page) verdict() (Result, error) {
	ended := chromedp.Poll[chromedp.Void]("!document.getElementById('result').hidden || !document.getElementById('stopped').hidden",
		chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(0))
	if err := chromedp.Do(p.ctx, ended); err != nil {
		return Result{}, err
	}
	return chromedp.Run(p.ctx, chromedp.Evaluate[Result](said))
}

// Rows shows a table of the bundle, with a filter, and returns its rows when the
// page has them.
func (p *Page) Rows(table, filter string) ([][]string, error) {
	pick := fmt.Sprintf(`(() => {
		const t = document.getElementById('table'), f = document.getElementById('filter');
		document.getElementById('count').textContent = 'Reading';
		t.value = %q; t.dispatchEvent(new Event('change'));
		f.value = %q; f.dispatchEvent(new Event('input'));
	})()`, table, filter)
	err := chromedp.Do(p.ctx, chromedp.Evaluate[chromedp.Void](pick),
		chromedp.Poll[chromedp.Void]("!document.getElementById('count').textContent.startsWith('Reading')", chromedp.WithPollingInterval(20*time.Millisecond)))
	if err != nil {
		return nil, err
	}
	return chromedp.Run(p.ctx, chromedp.Evaluate[[][]string](
		"[...document.querySelectorAll('#rows tbody tr')].map(r => [...r.cells].map(c => c.textContent))"))
}

// Evaluate runs a script in the page, for what only a test asks.
func (p *Page) Evaluate(script string) (string, error) {
	return chromedp.Run(p.ctx, chromedp.Evaluate[string](script))
}

// Picture takes a screenshot of the whole page at a width, light or dark.
func (p *Page) Picture(width int64, scheme string) ([]byte, error) {
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		return nil, err
	}
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(width, 900)); err != nil {
		return nil, err
	}
	return chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
}

// Print prints the page to a PDF.
func (p *Page) Print() ([]byte, error) {
	return chromedp.Run(p.ctx, chromedp.PrintToPDF())
}
