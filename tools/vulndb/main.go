// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command vulndb serves test/scripts/vulncheck. It makes a database that
// govulncheck reads from a directory of OSV files (go.dev/security/vuln/database
// documents the layout), or, with -probe, prints the date of a database on the
// network.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const probeTimeout = 10 * time.Second

func main() {
	probe := flag.String("probe", "", "print the date of the database at this `URL` and end")
	version := flag.String("version", "", "pseudo-`version` of golang.org/x/vulndb, which dates the database")
	in := flag.String("in", "", "`directory` of OSV files")
	out := flag.String("out", "", "`directory` to make")
	flag.Parse()
	var err error
	if *probe != "" {
		err = printDate(*probe)
	} else {
		err = build(*version, *in, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vulndb:", err)
		os.Exit(1)
	}
}

// meta is index/db.json.
type meta struct {
	Modified time.Time `json:"modified"`
}

func printDate(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/index/db.json", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, resp.Status)
	}
	var m meta
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&m); err != nil {
		return err
	}
	fmt.Println(m.Modified.Format(time.RFC3339))
	return nil
}

// report is what the indexes need of an OSV entry.
type report struct {
	ID       string   `json:"id"`
	Aliases  []string `json:"aliases"`
	Affected []struct {
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
		Ranges []struct {
			Events []struct {
				Fixed string `json:"fixed"`
			} `json:"events"`
		} `json:"ranges"`
	} `json:"affected"`
}

type (
	moduleEntry struct {
		Path  string       `json:"path"`
		Vulns []moduleVuln `json:"vulns"`
	}
	moduleVuln struct {
		ID       string    `json:"id"`
		Modified time.Time `json:"modified"`
		Fixed    string    `json:"fixed,omitempty"`
	}
	vulnEntry struct {
		ID       string    `json:"id"`
		Modified time.Time `json:"modified"`
		Aliases  []string  `json:"aliases,omitempty"`
	}
)

// build writes the database to out, index/db.json last: its presence says that
// the rest is whole. The sources carry no dates of their own, so every entry has
// the module version's.
func build(version, in, out string) error {
	date, err := versionDate(version)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(in, "GO-*.json"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no reports in %s", in)
	}
	for _, dir := range []string{"ID", "index"} {
		if err := os.MkdirAll(filepath.Join(out, dir), 0o755); err != nil {
			return err
		}
	}
	modules := make(map[string][]moduleVuln)
	var vulns []vulnEntry
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var r report
		if err := json.Unmarshal(b, &r); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		if err := os.WriteFile(filepath.Join(out, "ID", r.ID+".json"), b, 0o644); err != nil {
			return err
		}
		vulns = append(vulns, vulnEntry{ID: r.ID, Modified: date, Aliases: r.Aliases})
		for path, v := range r.byModule(date) {
			modules[path] = append(modules[path], v)
		}
	}
	var index []moduleEntry
	for path, v := range modules {
		index = append(index, moduleEntry{Path: path, Vulns: v})
	}
	slices.SortFunc(index, func(a, b moduleEntry) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range []struct {
		name  string
		value any
	}{
		{"modules.json", index},
		{"vulns.json", vulns},
		{"db.json", meta{Modified: date}},
	} {
		b, err := json.MarshalIndent(f.value, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, "index", f.name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// byModule returns the report's entry in each module's list: a module once,
// with its last fix.
func (r report) byModule(date time.Time) map[string]moduleVuln {
	m := make(map[string]moduleVuln)
	for _, a := range r.Affected {
		v := moduleVuln{ID: r.ID, Modified: date, Fixed: m[a.Package.Name].Fixed}
		for _, rng := range a.Ranges {
			for _, e := range rng.Events {
				if e.Fixed != "" {
					v.Fixed = e.Fixed
				}
			}
		}
		m[a.Package.Name] = v
	}
	return m
}

// versionDate reads the time out of a pseudo-version.
func versionDate(version string) (time.Time, error) {
	parts := strings.Split(version, "-")
	if len(parts) != 3 {
		return time.Time{}, errors.New("-version is not a pseudo-version")
	}
	return time.Parse("20060102150405", parts[1])
}
