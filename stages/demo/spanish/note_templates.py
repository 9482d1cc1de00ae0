"""Templates of the Spanish notes."""

from stages.demo.spanish import words

LEXICON = {
    **words.MEDICAL,
    # Numbers and names that look like PII.
    "code": ("(SNOMED {digits 8})", "(SNOMED {digits 9})", "(código {digits 5})", "(CIE-10 {digits 2}.{0-9})"),
    "decoy": (
        "Se administra vacuna, lote {digits 8}.",
        "Vacuna antigripal lote {digits 9} en deltoides.",
        "Material de cura ref. {digits 9}, lote {digits 5}.",
        "Kit de extracción con referencia {digits 9}.",
        "Gasas estériles, lote {digits 8}, ref. 9{10-99} {100-999} {100-999}.",
        "Se sigue la guía {2015-2024} de la sociedad española.",
        "Según el protocolo de {2015-2024} no precisa profilaxis.",
        "Ensayo de referencia ISRCTN {digits 8}.",
        "Se entrega hoja informativa n.º {digits 5}.",
        "Si empeora, llamar al 112 o al 061.",
        "{word}",
        "{word}",
        "{word}",
        "{word}",
        "{word}",
        "Seguimiento durante {2-20} años sin incidencias.",
        "Hoja {digits 5}, versión {1-9}.",
        "Formulario 6{10-99} {100-999} {100-999}, copia para archivo.",
    ),
    # Sentences that begin with a word that is also a name.
    "word": (
        "Dolores articulares ocasionales, sin rigidez.",
        "Consuelo con medidas físicas.",
        "Blanco de los ojos sin ictericia.",
        "Sol y calor empeoran las lesiones.",
        "Salud bucodental deficiente.",
        "Clara mejoría en las últimas horas.",
        "Remedios caseros sin efecto.",
        "Moreno de piel, sin lesiones.",
        "Cabello y uñas normales.",
        "Cabeza y cuello sin hallazgos.",
        "Pie frío, con pulso débil.",
        "Esperanza de mejoría, se anima a caminar.",
        "Calvo desde joven.",
        "Seco de boca, se ofrece agua.",
        "Bueno el apetito.",
        "Rojo el ojo [derecho|izquierdo].",
    ),
    "ago": (
        "ayer",
        "anteayer",
        "desde anoche",
        "hace tres días",
        "hace {2-9} días",
        "desde hace una semana",
        "hace {2-6} semanas",
        "hace unos {2-9} meses",
        "esta mañana",
        "el lunes pasado",
    ),
    "vitals": (
        "TA {100-180}/{55-95} mmHg, FC {55-120} lpm, SatO2 {89-99} %, Tª 3{6-8},{0-9} ºC.",
        "TA: {100-180}/{55-95}. FC: {55-120}. FR: {12-28}. Tª: 3{6-8},{0-9}.",
        "Constantes: tensión {10-18}/{5-9}, pulso {55-120}, saturación {89-99} % basal, EVA {2-9}/10.",
    ),
    # Header lines.
    "h.name": (
        "Nombre: {patient.first}\nApellidos: {patient.last}",
        "Paciente: {patient}",
        "Nombre y apellidos: {patient}",
        "Apellidos y nombre: {patient.listed}",
        "Paciente: {patient.caps}",
        "Pte: {patient.listed}",
    ),
    "h.born": (
        "[Fecha de nacimiento|F. nac.|Nacimiento]: {date.birth}",
        "[Fecha de nacimiento|F. nac.]: {date.birth} ({age})",
        "Edad: {age}",
        "Edad: {age.number}   Sexo: <V|M>",
        "Sexo: <hombre|mujer>   Edad: {age}",
    ),
    "h.id": ("[DNI|NIF|DNI/NIE|Documento]: {id}",),
    "h.job": ("[Profesión|Ocupación|Trabajo]: {profession}",),
    "h.record": ("[NHC|N.º de historia|Historia clínica|Nº Hª Cª]: {record}",),
    "h.insurance": ("[NASS|N.º de afiliación|CIP|Tarjeta sanitaria|Póliza]: {insurance}",),
    "h.address": (
        "[Domicilio|Dirección]: {street}\nCP: {zip}   [Localidad|Municipio]: {city}",
        "[Domicilio|Dirección|Dir.]: {street}, {zip} {city}",
        "[Domicilio|Vive en]: {street}. {city} ({zip})",
        "Domicilio: {street}\n[Código postal|C.P.]: {zip}\nPoblación: {city}",
    ),
    "h.contact": (
        "[Teléfono|Tfno.|Tel.|Móvil]: {phone}",
        "[Teléfono|Tel.]: {phone}   [Correo|E-mail]: {email}",
        "[Contacto|Avisar a]: {relative} ({kin}), tel. {relative.phone}",
        "[Familiar|Persona de contacto]: {relative} ({kin}) {relative.phone}",
        "Correo electrónico: {email}",
    ),
    "h.doctor": (
        "[Médico|Facultativo|Responsable]: {doctor}",
        "[Médico|Médico responsable]: {doctor.title} {doctor}   [NºCol|Col.]: {doctor.licence}",
        "Médico: {doctor}\nN.º colegiado: {doctor.licence}",
    ),
    "header": (
        "{h.name}\n{h.record}\n{h.id}\n{h.born}\n{h.address}\n[{h.contact}\n|{h.job}\n|]",
        "{h.name}\n{h.born}\n{h.insurance}\n[{h.record}\n|{h.id}\n]{h.address}\n{h.contact}\n",
        "{h.record}   {h.insurance}\n{h.name}\n{h.id}\n[{h.address}\n|{h.contact}\n]",
        "{patient.caps} | {age} | NHC {record} | [CIP|NASS] {insurance}\n",
        "{patient}\n{street}\n{zip} {city}\n{id}\n[Tel. |]{phone}\n",
        "{h.name}   {h.record}\n{h.born}\n{h.job}\n{h.contact}\n",
        "{h.name}\n{h.id}   {h.born}\n{h.record}\n{h.insurance}\n{h.contact}\n",
    ),
    # Sentences, by what they are about.
    "present": (
        "<Varón|Mujer> de {age} que acude por {symptom} de {2-9} días de evolución.",
        "Paciente de {age}, {job}, que consulta por {symptom} y {symptom} {ago}.",
        "Acude acompañad<o|a> de su {kin}, {relative}, por {symptom} {ago}.",
        "<D.|D.ª> {patient}, de {age}, ingresa por {symptom}.",
        "{patient.first} refiere {symptom} {ago}, con {symptom} asociado.",
        "<El paciente|La paciente>, {patient}, presenta {symptom} desde el {date.recent.day}.",
        "Traíd<o|a> en ambulancia desde {centre} por {symptom}.",
        "Refiere que {ago} comenzó con {symptom}, sin {symptom}.",
    ),
    "job": (
        "de profesión {profession}",
        "que trabaja como {profession}",
        "jubilad<o|a> (fue {profession})",
        "{profession} en activo",
    ),
    "past": (
        "Antecedentes: {disease} y {disease}.",
        "Antecedentes personales: {disease} desde {date.past.year}, {disease}.",
        "Diagnosticad<o|a> de {disease} en {date.past.month}.",
        "Intervenid<o|a> de {diagnosis} el {date.past} en {hospital}.",
        "Ingreso previo en {centre} en {date.past.year} por {diagnosis}.",
        "Fumador<|a> de {5-30} cigarrillos al día desde hace {10-40} años.",
        "Sin alergias conocidas. {^disease} en tratamiento con {dose}.",
        "Alergia a {drug}. No hábitos tóxicos.",
        "Tratamiento habitual: {dose}, {dose}.",
        "Padre fallecido a los {age.other} por {disease}.",
        "{^disease} de {2-20} años de evolución {code}.",
    ),
    "social": (
        "Vive con su {kin}, {relative}, en {city}.",
        "Trabaja como {profession}. Vive en {city}.",
        "Natural de {city.other}, reside en {street}, {city}.",
        "Su {kin} {relative.first} se encarga de la medicación.",
        "Cuidador principal: {relative} ({kin}), teléfono {relative.phone}.",
        "Jubilad<o|a>, antes {profession}. Independiente para la vida diaria.",
        "De profesión {profession}, de baja desde el {date.recent}.",
    ),
    "exam": (
        "Exploración: buen estado general, {sign}, {sign}.",
        "A la exploración, {sign}. Abdomen blando, sin masas.",
        "Consciente y orientad<o|a>. Auscultación con crepitantes en base [derecha|izquierda]. {^sign}.",
        "Tonos rítmicos, sin soplos. {^sign}; {sign}.",
        "{vitals}",
        "{vitals}",
        "Cruz roja ocular normal, pupilas reactivas. {^sign}.",
    ),
    "tests": (
        "Analítica del {date.test}: hemoglobina {9-16},{0-9} g/dl, leucocitos {digits 5}, "
        "plaquetas {100-400}000, PCR {1-200} mg/l.",
        "Analítica: creatinina {0.6-2.4} mg/dl, Na {130-146}, K {3.2-5.4}, CK {digits 4}, "
        "NT-proBNP {digits 5} pg/ml.",
        "Radiografía de tórax ({date.test}): sin condensaciones.",
        "Ecografía abdominal del {date.recent.day}: litiasis, resto normal.",
        "ECG: ritmo sinusal a {55-110} lpm, eje {20-80}.",
        "TC craneal realizado el {date.test.day}: sin sangrado agudo.",
        "Gasometría: pH 7,{30-48}, pCO2 {30-55}, lactato {0.6-4.0}.",
        "Informado por {referrer.title} {referrer} ({department}) el {date.test}.",
    ),
    "course": (
        "Evolución favorable con {dose}.",
        "Valorad<o|a> por {department} ({referrer}), que aconseja {dose}.",
        "Comentado el caso con {nurse} de {department}.",
        "Durante el ingreso, {patient.first} permanece afebril y con dolor controlado.",
        "El {date.recent.day} presenta {symptom}, que cede con {drug}.",
        "Se informa a {relative} ({kin}) de la situación.",
        "La {kin.role} {relative} firma el consentimiento.",
        "{decoy}",
        "{decoy}",
        "Se traslada a {department} sin incidencias.",
    ),
    "kin.role": ("responsable legal,", "persona de contacto,"),
    "plan": (
        "Alta a domicilio con {dose} y {dose}.",
        "Control en {centre} el {date.next}.",
        "Revisión con {doctor.title} {doctor.last} en consulta de {department} el {date.next}.",
        "Cita el {date.next.day} en {department}.",
        "Continuará con {dose}. Control por su médico, {referrer.title} {referrer}.",
        "Ante dudas, llamar al {doctor.phone} o escribir a {doctor.email}.",
        "Avisar a su {kin} en el {relative.phone} con los resultados.",
        "Repetir analítica en {2-8} semanas.",
        "Reposo relativo durante {2-9} días. {decoy}",
        "Resultados a {email}.",
    ),
    "signature": (
        "Fdo.: {doctor.title} {doctor}. [Col. {doctor.licence}|N.º col. {doctor.licence}]",
        "{doctor.title} {doctor}\n{department}\n{hospital}",
        "Fdo. {doctor}\nColegiación {doctor.licence}\n{hospital}, {date.visit}",
        "En {city.other}, a {date.visit}. Firmado: {doctor}",
        "{doctor.title} {doctor.short}, {department}\n{doctor.email}",
        "{doctor.caps}\nMédico adjunto. {hospital}\nTel. {doctor.phone}",
    ),
    "diagnoses": (
        "Diagnóstico: {diagnosis} {code}.",
        "Juicio clínico: {diagnosis}. {^disease}.",
        "[Diagnóstico principal|JC]: {diagnosis}.",
        "Impresión: {diagnosis} en paciente con {disease}.",
    ),
}

NOTES = {
    "discharge": """[INFORME DE ALTA|Informe de alta hospitalaria]
[{hospital}|{hospital} - {department}]
{header}[{h.doctor}
|]Fecha de ingreso: {date.admit}   Fecha de alta: {date.visit}

[MOTIVO DE INGRESO|Motivo de ingreso]: {symptom}.
{past} {past} [{social}|]

[Enfermedad actual|ENFERMEDAD ACTUAL]: {present} [{present}|]
{exam} {exam}
[Pruebas complementarias|Exploraciones]: {tests} {tests}
[Evolución|EVOLUCIÓN]: {course} {course} [{course}|]
{diagnoses}
[Tratamiento|Plan]: {plan} {plan}
{signature}
""",
    "referral": """[{centre}|{centre}, {city.other}]
{date.visit}

[A la atención de|A/A] [{doctor.title} {doctor}|{department}]
{hospital}

[Estimado/a compañero/a:|Estimados compañeros:]
[Le remito a|Agradeceré que valoréis a] {patient}, de {age}, con [NHC|n.º de historia] {record} y \
[domicilio en|que vive en] {street}[, {zip}|,] {city}[, DNI {id}| (tel. {phone})|].
{present} {past}
{past} [{social}|]
{exam} {tests}
{course} {diagnoses}
[Ruego valoración. |Gracias por su atención. |]{plan}
Un saludo,
{referrer.title} {referrer}[, col. {referrer.licence}|]
[{referrer.email}|Tel. {referrer.phone}|{centre}]
""",
    "emergency": """[URGENCIAS|Servicio de Urgencias] [- {hospital}|]
{header}[Llegada|Hora de llegada|Ingreso]: {date.visit} {10-23}:{10-59} h. [Atendid<o|a> por|Médico]: {doctor}

[Motivo de consulta|MC]: {symptom}.
{present} {present}
{past} {past}
[{social}|]
{exam} {exam}
{tests} {course}
{diagnoses}
{plan} {plan}
{signature}
""",
    "request": """[PETICIÓN DE LABORATORIO|SOLICITUD DE RADIOLOGÍA|Petición de pruebas]
[Centro|Origen]: [{centre}|{hospital}]
[Solicitante|Médico peticionario]: {doctor}   [Col.|NºCol]: {doctor.licence}
[Fecha|Fecha de petición]: {date.visit}
{header}
[Prueba|Exploración] solicitada: [hemograma y bioquímica|ecografía abdominal|TC de tórax|resonancia \
lumbar|urocultivo] (código {digits 5})
[Datos clínicos|Justificación]: {present} {past} {past}
{exam} {tests}
{diagnoses}
Observaciones: {course} {decoy} [{social}|]
[Enviar el resultado a {doctor.email}|Avisar al {doctor.phone}|Entregar a {relative} ({kin})]. Muestra \
recogida por {nurse} el {date.test}.
[Validado por|Recibido por]: {referrer}
""",
    "nursing": """[EVOLUCIÓN DE ENFERMERÍA|Hoja de enfermería|Notas de enfermería]
{patient.caps}   [NHC|Hª]: {record}   Cama {100-480}
[{hospital}|{department}, {hospital}]
{date.visit.day}, turno de [mañana|tarde|noche]. {vitals} {patient.first} ha dormido [bien|mal|a ratos], \
{symptom} {ago}.
{course} {course}
Se administra {dose}. {decoy}
{date.visit.day} {10-23}:{10-59}. Llama su {kin} {relative} ([tel. |]{relative.phone}) para preguntar por \
<el paciente|la paciente>. {social}
Avisad[o|a] {doctor.title} {doctor.last} por {symptom}: {dose}. {exam}
{past} Pendiente de {department} el {date.next.day}.
{course} [{tests}|]
[Enfermer[a|o]|DUE|Firmado]: {nurse}[ (col. {nurse.licence})|]
""",
    "telephone": """[CONSULTA TELEFÓNICA|Atención telefónica|Nota de teleconsulta]
[Fecha|Día]: {date.visit}   [Atiende|Profesional]: {doctor}
[Llama|Contacta] {relative} ({kin} de {patient}), desde el [teléfono |]{relative.phone}.
{h.record}   {h.insurance}
{h.id}
[{h.address}
|{h.born}
|{h.job}
]Motivo: {symptom} {ago}. {present}
{past} {past}
[Medicación|Toma]: {dose}, {dose}. {decoy}
{course} {tests}
Se explica a {relative.first} que {patient.first} debe acudir a {hospital} si presenta {symptom} o {symptom}.
{diagnoses}
{plan} {plan} Se envía informe a {email}.
{signature}
""",
}
