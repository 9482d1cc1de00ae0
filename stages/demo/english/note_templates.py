"""Templates of the English notes, which are short: real language models read and write them on a laptop."""

from stages.demo.english import words

LEXICON = {
    **words.MEDICAL,
    # Numbers and names that look like PII.
    "code": ("(SNOMED {digits 8})", "(code {digits 5})", "(ICD {letter.code}{10-99}.{0-9})"),
    "letter.code": ("I", "J", "K", "M"),
    "decoy": (
        "Vaccine given, lot {digits 8}.",
        "Flu vaccine lot {digits 9} in the upper arm.",
        "Dressing ref {digits 9}, lot {digits 5}.",
        "Sampling kit, item no. {digits 7}.",
        "The {2015-2024} guideline is followed.",
        "Study NCT{digits 8}.",
        "Leaflet no. {digits 5} handed out.",
        "If worse, call 911.",
        "{word}",
        "{word}",
        "{word}",
        "{word}",
        "{word}",
        "{word}",
        "{word}",
        "{word}",
        "{word}",
        "Form {digits 6}, version {1-9}.",
    ),
    # Sentences that begin with a word that is also a name.
    "word": (
        "Will return if worse.",
        "May resume walking.",
        "Long history of itching.",
        "Sharp pain at night.",
        "Cold hands, normal pulses.",
        "Hope to go home soon.",
        "Strong cough reflex.",
        "Good appetite today.",
        "Back pain at rest.",
        "Heart rate regular.",
        "Head without injury.",
        "Rose rash on the trunk, Gray sputum.",
        "Blood pressure well controlled.",
        "Small bruise on the shin.",
        "Day and night pain.",
        "Early signs of infection.",
        "Burns when passing urine.",
        "Frost and snow make the joints worse.",
        "Young at heart, walks a mile a day.",
        "No short or long hair on the left hand.",
        "Wise to rest, in the park or the wood.",
    ),
    "ago": (
        "since yesterday",
        "since last night",
        "for three days",
        "for {2-9} days",
        "for a week",
        "for {2-6} weeks",
        "for {2-9} months",
        "since this morning",
        "since last Monday",
    ),
    "vitals": (
        "BP {100-180}/{55-95}, HR {55-120}, SpO2 {89-99}%, temp 9{7-9}.{0-9}.",
        "Vitals: BP {100-180}/{55-95}, HR {55-120}, RR {12-28}.",
    ),
    # Header lines.
    "h.name": (
        "First name: {patient.first}\nLast name: {patient.last}",
        "Patient: {patient}",
        "Name: {patient}",
        "Name: {patient.listed}",
        "Patient: {patient.caps}",
    ),
    "h.born": (
        "[DOB|Date of birth|Born]: {date.birth}",
        "DOB: {date.birth} ({age})",
        "Age: {age}",
        "Age: {age.number}   Sex: <M|F>",
        "Sex: <male|female>   Age: {age.number}",
    ),
    "h.id": ("[SSN|Social security no.]: {id}",),
    "h.job": ("[Occupation|Work]: {profession}",),
    "h.record": ("[MRN|Record no.|Chart no.]: {record}",),
    "h.insurance": ("[Insurance ID|Insurance no.|Member ID|Policy]: {insurance}",),
    "h.address": (
        "Address: {street}, {city} {zip}",
        "[Address|Home]: {street}\nCity: {city}   ZIP: {zip}",
        "[Address|Lives at]: {street}, {zip} {city}",
    ),
    "h.contact": (
        "[Phone|Tel|Cell]: {phone}",
        "[Phone|Tel]: {phone}   [Email|E-mail]: {email}",
        "[Next of kin|Contact]: {relative} ({kin}), {relative.phone}",
        "Email: {email}",
    ),
    "h.doctor": (
        "[Attending|Physician]: {doctor}",
        "[Attending|Physician]: {doctor.title} {doctor}   [License|Lic. no.]: {doctor.licence}",
        "Attending: {doctor}\nLicense no.: {doctor.licence}",
    ),
    "header": (
        "{h.name}\n{h.record}   {h.id}\n{h.born}\n{h.address}\n[{h.contact}\n|{h.job}\n]",
        "{h.name}\n{h.born}\n{h.insurance}\n[{h.record}\n|{h.id}\n]{h.address}\n{h.contact}\n",
        "{h.record}   {h.insurance}\n{h.name}\n{h.id}\n[{h.address}\n|{h.contact}\n]",
        "{patient.caps} | {age} | MRN {record} | [Ins.|Policy] {insurance}\n{h.contact}\n",
        "{patient}\n{street}\n{city} {zip}\nSSN {id}\n[Tel |]{phone}\n",
        "{h.name}   {h.record}\n{h.born}   {h.job}\n{h.insurance}\n{h.contact}\n",
    ),
    # Sentences, by what they are about.
    "present": (
        "<Man|Woman>, {age}, who presents with {symptom} {ago}.",
        "Patient, {age}, {job}, presents with {symptom} and {symptom} {ago}.",
        "Comes with <his|her> {kin} {relative} because of {symptom} {ago}.",
        "<Mr.|Ms.> {patient.last}, {age}, is admitted for {symptom}.",
        "{patient.first} tells of {symptom} {ago} and also {symptom}.",
        "The patient, {patient}, has had {symptom} since {date.recent.day}.",
        "The patient was brought in by ambulance from {centre} because of {symptom}.",
        "Reports {symptom} {ago} but no {symptom}.",
    ),
    "job": ("a {profession}", "working as a {profession}", "a retired {profession}"),
    "past": (
        "Past history: {disease} and {disease}.",
        "Known {disease} since {date.past.year}, also {disease}.",
        "Diagnosed with {disease} in {date.past.month}.",
        "Surgery for {diagnosis} on {date.past} at {hospital}.",
        "Treated at {centre} in {date.past.year} for {diagnosis}.",
        "Smoked {5-30} cigarettes a day for {10-40} years.",
        "No known allergies. {^disease}, treated with {dose}.",
        "Allergic to {drug}. No alcohol.",
        "Father died at {age.other} of {disease}.",
        "Has had {disease} for {2-20} years {code}.",
    ),
    "social": (
        "Lives with <his|her> {kin} {relative} in {city}.",
        "Works as a {profession}. Lives in {city}.",
        "Grew up in {city.other}, lives at {street}, {city}.",
        "<His|Her> {kin} {relative.first} manages the medication.",
        "Next of kin: {relative} ({kin}), phone {relative.phone}.",
        "Retired {profession}. Independent at home.",
        "Off work as a {profession} since {date.recent}.",
    ),
    "exam": (
        "Exam: well appearing, {sign}.",
        "On examination {sign}. Abdomen soft and non-tender.",
        "Alert and oriented. Crackles at the [left|right] base. {^sign}.",
        "Regular rhythm. {^sign}; {sign}.",
        "{vitals}",
        "{vitals}",
    ),
    "tests": (
        "Labs {date.test}: Hb {9-16}.{0-9}, WBC {4-18}.{0-9}, CRP {1-200}, req. {digits 5}.",
        "Labs: creatinine {0.5-2.9}, Na {130-146}, K {3.2-5.4}, ferritin {digits 4}.",
        "Chest X-ray ({date.test}): no infiltrates.",
        "Abdominal ultrasound {date.recent.day}: gallstones. {word}",
        "ECG: sinus rhythm {55-110}/min.",
        "Head CT {date.test.day}: no hemorrhage.",
        "Read by {referrer.title} {referrer} ({department}) {date.test}.",
    ),
    "course": (
        "Good response to {dose}.",
        "Seen by {department} ({referrer}), who advise {dose}.",
        "The case is discussed with {nurse} of {department}.",
        "{patient.first} stays afebrile and comfortable. {word}",
        "On {date.recent.day} there is {symptom}, which resolves after {drug}.",
        "{relative} ({kin}) is informed.",
        "{^kin.role} {relative} gives consent.",
        "{decoy}",
        "{decoy}",
    ),
    "kin.role": ("guardian", "health care proxy"),
    "plan": (
        "Discharged home with {dose}.",
        "Follow-up at {centre} on {date.next}.",
        "Appointment with {doctor.title} {doctor.last}, {department}, on {date.next}.",
        "Visit on {date.next.day} at {department}.",
        "Continue {dose}. Follow-up with {referrer.title} {referrer}.",
        "Questions: call {doctor.phone} or write to {doctor.email}.",
        "Call <his|her> {kin} at {relative.phone} with the results.",
        "Repeat labs in {2-8} weeks.",
        "Rest for {2-9} days. {decoy}",
        "Results go to {email}.",
    ),
    "signature": (
        "Signed: {doctor.title} {doctor}. [License|Lic.] {doctor.licence}",
        "{doctor.title} {doctor}\n{hospital}",
        "Signed by {doctor}, MD\nLicense no. {doctor.licence}\n{hospital}, {date.visit}",
        "{city.other}, {date.visit}. Signature: {doctor}",
        "{doctor.title} {doctor.short}, {department}\n{doctor.email}",
        "{doctor.caps}\nAttending. {hospital}\nTel {doctor.phone}",
    ),
    "diagnoses": (
        "[Diagnosis|Impression]: {diagnosis} {code}.",
        "Assessment: {diagnosis}. {^disease}.",
        "[Primary diagnosis|Diagnosis]: {diagnosis}.",
    ),
}

NOTES = {
    "discharge": """[DISCHARGE SUMMARY|Discharge Note]
{hospital}
{header}[{h.doctor}
|]Admitted: {date.admit}   Discharged: {date.visit}

{present} {past} {social}
{exam} {tests}
[Hospital course|COURSE]: {course} {diagnoses}
[Plan|PLAN]: {plan}
{signature}
""",
    "referral": """{centre}
{date.visit}
[To|Referral to]: [{doctor.title} {doctor}|{department}], {hospital}

[Dear colleague,|Dear Dr. {doctor.last},]
[please see|I am referring] {patient}, {age}, [MRN|record] {record}, [of|living at] {street}, {city} {zip} \
([SSN {id}|tel {phone}]).
{present} {past} {exam} {tests}
{diagnoses} {plan}
Sincerely, {referrer.title} {referrer}[, license {referrer.licence}|]
[{referrer.email}|Tel {referrer.phone}]
""",
    "emergency": """[EMERGENCY DEPARTMENT|ED NOTE] [- {hospital}|]
{header}[Arrived|Arrival]: {date.visit} {10-23}:{10-59}. [Seen by|Physician]: {doctor}

[Chief complaint|CC]: {symptom}. {present} {past}
{social} {exam} {tests}
{diagnoses} {plan}
{signature}
""",
    "request": """[LABORATORY REQUEST|IMAGING REQUEST]
[From|Unit]: [{centre}|{hospital}]
[Ordered by|Physician]: {doctor}   [License|Lic.]: {doctor.licence}
[Date|Ordered]: {date.visit}
{header}[Test|Study]: [complete blood count|abdominal ultrasound|chest CT|lumbar MRI|urine culture] (code {digits 5})
[Question|History]: {present} {past} {tests}
Other: {decoy} {social}
[Results to {doctor.email}|Call {doctor.phone}|Give to {relative} ({kin})]. Drawn by {nurse}, {date.test}.
""",
    "nursing": """[NURSING NOTE|Nursing]
{patient.caps}   [MRN|Record]: {record}   Bed {10-48}
{hospital}
{date.visit.day}, [day shift|evening shift|night shift]. {vitals} {patient.first} slept [well|badly], {symptom} {ago}.
{course} Given {dose}. {decoy}
<His|Her> {kin} {relative} called ([tel |]{relative.phone}). {social}
{doctor.title} {doctor.last} paged for {symptom}: {dose}. {past}
Waiting for {department} on {date.next.day}. {tests}
[Nurse|RN|Signed]: {nurse}[ (lic. {nurse.licence})|]
""",
    "telephone": """[TELEPHONE ENCOUNTER|Phone call]
[Date|Day]: {date.visit}   [Taken by|Call with]: {doctor}
[Caller|Called by]: {relative} ({kin} of {patient}), [tel |]{relative.phone}
{h.record}   {h.insurance}
[{h.id}
|{h.address}
|{h.born}
|{h.job}
]Reason: {symptom} {ago}. {present} {past}
[Takes|Medication]: {dose}. {course} {decoy}
{relative.first} is told that {patient.first} should go to {hospital} if there is {symptom}.
{plan} Copy sent to {email}.
{signature}
""",
}
