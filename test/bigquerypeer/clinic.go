// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquerypeer

// Clinic is SQL of DuckDB's that makes the dataset clinic, of people that do not
// exist: patients (three rows), visits with every type, lab_results, and an empty
// dataset scratch. [WithClinic] adds the view adults.
const Clinic = `
CREATE SCHEMA clinic;
CREATE TABLE clinic.patients (mrn BIGINT NOT NULL, name VARCHAR, ssn VARCHAR, birth DATE, note VARCHAR, zip VARCHAR);
INSERT INTO clinic.patients VALUES
	(1001, 'Ada Example', '219-09-9991', '1961-04-02', 'Called from 212-555-0143 about the refill.', '02139'),
	(1002, 'Bo Sample', '219-09-9992', '1974-11-30', 'SSN 219-09-9992 checked, mail bo.sample@example.org.', '60614'),
	(1003, 'Cy Specimen', '219-09-9993', '2003-07-19', NULL, '94110');
CREATE TABLE clinic.visits (
	id BIGINT, mrn BIGINT, arrived TIMESTAMPTZ, local TIMESTAMP, day DATE, fee DECIMAL(38,9), score DOUBLE, paid BOOLEAN, scan BLOB,
	codes VARCHAR[], vitals STRUCT(pulse BIGINT, unit VARCHAR), readings STRUCT(kind VARCHAR, value DOUBLE)[]);
INSERT INTO clinic.visits VALUES
	(1, 1001, '2026-01-05 09:30:00.25+00', '2026-01-05 09:30:00', '2026-01-05', 120.50, 0.5, true, '\x00\xFFscan'::BLOB,
		['E11.9', 'I10'], {pulse: 72, unit: 'bpm'}, [{kind: 'glucose', value: 6.5}, {kind: 'sodium', value: 140}]),
	(2, 1002, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, []);
CREATE TABLE clinic.lab_results (id BIGINT NOT NULL, mrn BIGINT, test VARCHAR, value DOUBLE, unit VARCHAR, collected TIMESTAMPTZ, comment VARCHAR);
INSERT INTO clinic.lab_results VALUES
	(1, 1001, 'HbA1c', 6.5, '%', '2026-01-05 09:45:00+00', 'Fasting. Reported to Ada Example by phone, 212-555-0143.'),
	(2, 1001, 'Sodium', 140, 'mmol/L', '2026-01-05 09:45:00+00', NULL),
	(3, 1002, 'HbA1c', 5.4, '%', '2026-01-06 08:10:00+00', NULL),
	(4, 1003, 'Potassium', NULL, 'mmol/L', '2026-01-07 14:00:00+00', 'Sample haemolysed.');
CREATE SCHEMA scratch;
`

// Adults is the query of the view clinic.adults, in GoogleSQL.
const Adults = "SELECT mrn, name, birth FROM clinic.patients WHERE birth < DATE '2000-01-01'"
