// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lineage_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql/lineage"
	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
	bqbinary "github.com/sallyport-dev/sallyport/test/bqanalyzer"
)

func patients() []bqanalyzer.Table {
	return []bqanalyzer.Table{{Names: []string{"clinic.patients"}, Columns: []bqanalyzer.Field{{Name: "id", Type: "INT64"}, {Name: "ssn", Type: "STRING"}}}}
}

func TestErrorsHoldNoValues(t *testing.T) {
	a := start(t)
	const secret = "canary_078051120"
	for _, sql := range []string{
		"SELECT " + secret + " FROM clinic.patients",
		"SELECT id FROM clinic.patients WHERE ssn = 1 + '" + secret + "'",
		"SELECT ssn." + secret + " FROM clinic.patients",
		"SELECT '" + secret,
		"SELECT CAST('" + secret + "' AS INT64) + TRUE",
		"SELECT DATE '" + secret + "'",
	} {
		_, err := a.Lineage(t.Context(), &bqanalyzer.Request{SQL: sql, Tables: patients()})
		if sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		var e *sallyport.Error
		if !errors.As(err, &e) || !strings.Contains(e.Msg, "line 1, column ") || e.Hint == "" {
			t.Errorf("%s: %v has no position or hint", sql, err)
		}
		if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "0780") {
			t.Errorf("%s: %v repeats the text", sql, err)
		}
	}
}

func TestUnknownFunctionIsAnAnswer(t *testing.T) {
	a := start(t)
	answer, err := a.Lineage(t.Context(), &bqanalyzer.Request{SQL: "SELECT clinic.f(ssn) FROM clinic.patients", Tables: patients()})
	if err != nil || answer.Failure == nil || answer.Failure.Code != bqanalyzer.FailFunction {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestTablesOfOneRequestAreNotThoseOfTheNext(t *testing.T) {
	a := start(t)
	if _, err := a.Lineage(t.Context(), &bqanalyzer.Request{SQL: "SELECT ssn FROM clinic.patients", Tables: patients()}); err != nil {
		t.Fatal(err)
	}
	answer, err := a.Lineage(t.Context(), &bqanalyzer.Request{SQL: "SELECT ssn FROM clinic.patients"})
	if err != nil || answer.Failure == nil || answer.Failure.Code != bqanalyzer.FailTable {
		t.Errorf("%+v, %v", answer, err)
	}
}

// TestViewsThatAreNotWhatTheCatalogueSays are unknown, not followed by position.
func TestViewsThatAreNotWhatTheCatalogueSays(t *testing.T) {
	a := start(t)
	for name, tt := range map[string]struct {
		query   string
		unknown bool
	}{
		"as declared":      {"SELECT id AS a, ssn AS b FROM clinic.patients", false},
		"another order":    {"SELECT ssn AS b, id AS a FROM clinic.patients", true},
		"a column more":    {"SELECT id AS a, ssn AS b, 1 AS c FROM clinic.patients", true},
		"a column less":    {"SELECT id AS a FROM clinic.patients", true},
		"not valid":        {"SELECT nope AS a, ssn AS b FROM clinic.patients", true},
		"of itself":        {"SELECT a, b FROM clinic.v", true},
		"not a query":      {"DROP TABLE clinic.patients", true},
		"a function of it": {"SELECT id AS a, clinic.f(ssn) AS b FROM clinic.patients", true},
	} {
		tables := append(patients(), bqanalyzer.Table{
			Names: []string{"clinic.v"}, View: tt.query,
			Columns: []bqanalyzer.Field{{Name: "a", Type: "INT64"}, {Name: "b", Type: "STRING"}, {Name: "_FILE_NAME", Type: "STRING", Hidden: true}},
		})
		answer, err := a.Lineage(t.Context(), &bqanalyzer.Request{SQL: "SELECT b FROM clinic.v", Tables: tables})
		if err != nil || len(answer.Statements) != 1 {
			t.Errorf("%s: %+v, %v", name, answer, err)
			continue
		}
		if got := answer.Statements[0]; (got.Unknown != "") != tt.unknown {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestDeepText sends what the grammar lets pass at most.
func TestDeepText(t *testing.T) {
	a := start(t)
	for name, sql := range map[string]string{
		"brackets":   "SELECT " + strings.Repeat("(", googlesql.MaxNesting) + "ssn" + strings.Repeat(")", googlesql.MaxNesting) + " FROM clinic.patients",
		"subqueries": strings.Repeat("SELECT * FROM (", googlesql.MaxNesting) + "SELECT ssn FROM clinic.patients" + strings.Repeat(")", googlesql.MaxNesting),
		"functions":  "SELECT " + strings.Repeat("UPPER(", googlesql.MaxNesting) + "ssn" + strings.Repeat(")", googlesql.MaxNesting) + " FROM clinic.patients",
		"sums":       "SELECT ssn" + strings.Repeat(" || 'x'", 1500) + " FROM clinic.patients",
		"columns":    "SELECT ssn" + strings.Repeat(", id", 2000) + " FROM clinic.patients",
	} {
		script, err := googlesql.Read(sql)
		if err != nil || script.Statements[0].Refused != "" {
			t.Errorf("%s: %v", name, err)
			continue
		}
		answer, err := a.Lineage(t.Context(), &bqanalyzer.Request{SQL: sql, Tables: patients()})
		if err != nil || len(answer.Statements) != 1 {
			t.Errorf("%s: %+v, %v", name, answer, err)
			continue
		}
		got := answer.Statements[0]
		if got.Unknown != "" {
			continue // deeper than is walked: nothing is claimed
		}
		if s := got.Outputs[0].Sources; len(s) != 1 || s[0].Path[0] != "ssn" {
			t.Errorf("%s: sources are %v", name, s)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	a, err := lineage.Start(t.Context(), lineage.Config{Path: bqbinary.Binary(t), Timeout: time.Minute, Processes: 2, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			column := []string{"id", "ssn"}[i%2]
			answer, err := a.Lineage(t.Context(), &bqanalyzer.Request{SQL: "SELECT " + column + " FROM clinic.patients", Tables: patients()})
			if err != nil {
				t.Error(err)
				return
			}
			if got := answer.Statements[0].Outputs[0].Sources[0].Path[0]; got != column {
				t.Errorf("asked for %s, got %s", column, got)
			}
		})
	}
	wg.Wait()
}

// script makes an analyser of a shell script, for failures that the real one does
// not have.
func script(t *testing.T, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "analyser")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+lines+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// answerOnce answers the request of Start, whatever it is, and then does what
// follows.
const answerOnce = `dd bs=1 count=4 2>/dev/null >/dev/null; printf '\000\000\000\002{}'; `

func TestProcessThatHangsIsEndedAndReplaced(t *testing.T) {
	now := time.Unix(0, 0)
	a, err := lineage.Start(t.Context(), lineage.Config{Path: script(t, answerOnce+"exec sleep 600"), Timeout: time.Minute, Processes: 1, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Lineage(ctx, &bqanalyzer.Request{SQL: "SELECT 1"}); sallyport.KindOf(err) != sallyport.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if _, err := a.Lineage(t.Context(), &bqanalyzer.Request{SQL: "SELECT 1"}); err != nil {
		t.Errorf("no other process: %v", err)
	}
}

func TestProcessThatEndsIsReplacedWithABound(t *testing.T) {
	now := time.Unix(0, 0)
	a, err := lineage.Start(t.Context(), lineage.Config{Path: script(t, answerOnce), Timeout: time.Minute, Processes: 1, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	answered, refused := 0, 0
	for range 60 {
		switch _, err := a.Lineage(t.Context(), &bqanalyzer.Request{SQL: "SELECT 1"}); {
		case err == nil:
			answered++
		case sallyport.KindOf(err) != sallyport.Unavailable:
			t.Fatal(err)
		case strings.Contains(err.Error(), "too often"):
			refused++
		}
	}
	if answered == 0 || answered > 12 || refused == 0 {
		t.Errorf("%d answered, %d refused", answered, refused)
	}
	now = now.Add(time.Hour)
	if _, err := a.Lineage(t.Context(), &bqanalyzer.Request{SQL: "SELECT 1"}); err != nil {
		t.Errorf("still refused after an hour: %v", err)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, lines := range map[string]string{
		"silence":    "exit 0",
		"too long":   `printf '\377\377\377\377'`,
		"no message": `printf '\000\000\000\000'`,
		"cut":        `printf '\000\000\000\020{'`,
		"not JSON":   `printf '\000\000\000\002no'`,
	} {
		a, err := lineage.Start(t.Context(), lineage.Config{Path: script(t, lines), Timeout: time.Minute, Now: time.Now})
		if sallyport.KindOf(err) != sallyport.Unavailable {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
	if _, err := lineage.Start(t.Context(), lineage.Config{Path: filepath.Join(t.TempDir(), "none"), Now: time.Now}); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("no binary: %v", err)
	}
	if _, err := lineage.Start(t.Context(), lineage.Config{Now: time.Now}); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("no path: %v", err)
	}
}
