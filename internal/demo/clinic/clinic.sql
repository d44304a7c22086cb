-- A synthetic clinic. Nobody here exists: the SSNs begin with 9xx or 000, which
-- are never issued, the telephone numbers with 555-01.
CREATE TABLE public.patients (
    id         integer PRIMARY KEY,
    mrn        text NOT NULL UNIQUE,
    name       text NOT NULL,
    ssn        char(11) NOT NULL UNIQUE,
    birth_date date NOT NULL,
    phone      varchar(20),
    zip        varchar(10),
    note       text,
    active     boolean NOT NULL DEFAULT true
);
CREATE TABLE public.visits (
    id         integer PRIMARY KEY,
    patient_id integer NOT NULL REFERENCES public.patients (id),
    at         timestamptz NOT NULL,
    diagnosis  text NOT NULL,
    cost       numeric(10,2) NOT NULL
);
CREATE TABLE public.wards (
    id   integer PRIMARY KEY,
    code text NOT NULL,
    beds integer NOT NULL
);
CREATE SCHEMA payroll;
CREATE TABLE payroll.salaries (
    id     integer PRIMARY KEY,
    staff  text NOT NULL,
    amount numeric(10,2) NOT NULL
);
CREATE VIEW public.patient_cards AS
    SELECT id, upper(name) AS label, ssn AS code FROM public.patients;
CREATE SEQUENCE public.work_seq;
CREATE TABLE public.work (
    id   bigint PRIMARY KEY DEFAULT nextval('public.work_seq'),
    kind text NOT NULL DEFAULT 'tick'
);

INSERT INTO public.patients (id, mrn, name, ssn, birth_date, phone, zip, note) VALUES
    (1, 'MRN-000101', 'Adela Quillfeather', '900-11-2233', '1949-02-17', '212-555-0101', '10001', 'Penicillin allergy; brother Bertil Quillfeather to be called.'),
    (2, 'MRN-000102', 'Osric Thimblewood',  '900-22-3344', '1967-07-04', '212-555-0102', '10002', 'Type 2 diabetes, last HbA1c 7.9.'),
    (3, 'MRN-000103', 'Marisela Dunmorrow', '900-33-4455', '1990-11-30', '212-555-0103', '10003', 'Pregnant, 22 weeks; lives with Ivo Dunmorrow.'),
    (4, 'MRN-000104', 'Casimir Oakenfold',  '900-44-5566', '2011-05-09', '212-555-0104', '10004', 'Asthma; school nurse informed.'),
    (5, 'MRN-000105', 'Wilhelmina Starling','900-55-6677', '1932-12-24', '212-555-0105', '10005', 'Lives alone since March.');
INSERT INTO public.visits (id, patient_id, at, diagnosis, cost) VALUES
    (1, 1, '2026-01-12 09:30+00', 'J45.909', 120.50),
    (2, 2, '2026-02-03 14:00+00', 'E11.9',   310.00),
    (3, 2, '2026-03-15 08:15+00', 'E11.65',  95.25),
    (4, 3, '2026-04-20 11:45+00', 'Z34.02',  180.00),
    (5, 5, '2026-06-01 16:20+00', 'I10',     75.00);
INSERT INTO public.wards (id, code, beds) VALUES (1, 'WEST-1', 12), (2, 'WEST-2', 10), (3, 'EAST-1', 18);
INSERT INTO payroll.salaries (id, staff, amount) VALUES (1, 'Perpetua Vance', 88000), (2, 'Ansel Brightwater', 91500);
