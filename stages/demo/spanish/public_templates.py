"""Templates of the Spanish public text: documents of other kinds than the notes, and textbook cases."""

from stages.demo.language import CLINICAL, listed
from stages.demo.spanish import note_templates, words

LEXICON = {
    **words.MEDICAL,
    **{name: note_templates.LEXICON[name] for name in CLINICAL},
    "job": words.PROFESSIONS,
    "organ": (
        "corazón",
        "hígado",
        "pulmón",
        "riñón",
        "estómago",
        "páncreas",
        "cerebro",
        "tiroides",
        "colon",
        "hueso",
    ),
    "season": ("primavera", "verano", "otoño", "invierno"),
    "event": (
        "la feria del libro",
        "la fiesta de la vendimia",
        "un concierto benéfico",
        "la carrera popular",
        "la exposición de pintura",
        "el mercado medieval",
        "la jornada de puertas abiertas",
        "un curso de primeros auxilios",
        "la campaña de donación de sangre",
    ),
    "thing": (
        "una mesa de roble",
        "dos sillas blancas",
        "una bicicleta roja",
        "un libro de historia",
        "una cámara antigua",
        "un abrigo verde",
        "una lámpara de pie",
        "tres cajas de libros",
        "un paraguas negro",
    ),
    "club": (
        "biblioteca municipal",
        "piscina cubierta",
        "asociación de vecinos",
        "club de montaña",
        "escuela de música",
        "cooperativa agrícola",
        "peña ciclista",
    ),
    # Clinical prose outside a patient's file.
    "clinical": (
        "La {disease} afecta sobre todo a personas mayores y se manifiesta por {symptom}.",
        "En la {disease}, el síntoma más frecuente es {symptom}, seguido de {symptom}.",
        "El tratamiento de elección suele ser {drug}, aunque algunos autores prefieren {drug}.",
        "La dosis recomendada es de {dose}, siempre con control médico.",
        "El {drug} puede producir {symptom}, además de {symptom} en uno de cada {10-90} enfermos.",
        "No se debe combinar {drug} con {drug} si existe {disease}.",
        "El estudio incluyó a {40-900} enfermos con {diagnosis}, atendidos entre {2005-2012} y {2013-2020}.",
        "La mortalidad por {diagnosis} fue del {1-15} % y el ingreso medio duró {3-14} días.",
        "Ante la sospecha de {diagnosis} conviene pedir una analítica, una ecografía y una radiografía.",
        "En el examen físico puede encontrarse {sign}, lo que orienta hacia {diagnosis}.",
        "La {diagnosis} se confunde a veces con {diagnosis}, sobre todo en pacientes con {disease}.",
        "Cuando falla el {organ}, aparecen {symptom}, además de {symptom}.",
        "El servicio de {department} atendió {200-9000} consultas durante el último año.",
        "Los valores normales de hemoglobina son de {11-13} a {15-17} g/dl y los de creatinina, de 0,6 a 1,2 mg/dl.",
        "Se considera fiebre una temperatura superior a 38 ºC medida en la axila.",
        "La tensión ideal ronda 120/80 mmHg y la frecuencia cardiaca, de 60 a 100 latidos.",
        "Un buen descanso y la dieta equilibrada ayudan a prevenir la {disease}.",
        "Quien toma {drug} necesita revisiones cada {2-12} meses en su centro de salud.",
    ),
    "case": (
        "Presentamos el caso de <un hombre|una mujer> de {age} con historia de {disease}, además de {disease}.",
        "Tras {2-20} días con {symptom}, decidió ir al médico, que encontró {sign}.",
        "Su {kin} contó que desde hacía {2-8} meses sufría {symptom} cada noche.",
        "Trabajaba de {job} desde joven y nunca había pisado un hospital.",
        "Los médicos pensaron primero en {diagnosis}, pero la radiografía mostró {diagnosis}.",
        "Recibió {dose}, con lo que mejoró en {2-9} días.",
        "El {date.past} volvió a sentir {symptom} y fue operad<o|a> en {hospital}.",
        "La analítica mostró leucocitos {digits 5}, hemoglobina {9-15},{0-9} y PCR {2-150}.",
        "{^someone.titled}, especialista en {department}, confirmó {diagnosis}.",
        "Según relató su {kin}, {someone.first}, <el enfermo|la enferma> dejó de tomar {drug} por su cuenta.",
        "Al cabo de un año seguía bien, sin {symptom}, tampoco {symptom}.",
        "Fue dad<o|a> de alta con {dose}, aparte de una cita en {department}.",
    ),
    "news": (
        "El alcalde de {city}, {someone}, inauguró {date.recent.day} {event}.",
        "Vecinos de {city.other} celebraron {event} pese a la lluvia.",
        "{someone}, {job} de {age.other}, ganó el primer premio de {event}.",
        "La empresa de {someone.last} abrirá una fábrica en {city.other} y creará {20-400} empleos.",
        "Según {someone}, portavoz del ayuntamiento, las obras terminarán en {date.next.month}.",
        "El tren entre {city.other} y {city.other} se averió con {40-300} viajeros a bordo.",
        "La policía local de {city.other} detuvo a un hombre de {age.other} por robar {thing}.",
        "{hospital} estrena una unidad de {department} con {6-40} camas.",
        "{someone} y {someone} presentaron su nueva novela en {city.other}.",
        "El equipo de {city.other} perdió por {1-5} a 0 ante más de {2-9}000 espectadores.",
        "La escritora {someone}, nacida en {city.other} en {1930-1990}, recibió un homenaje.",
        "Este {season} se espera más calor de lo normal en {city.other} y su comarca.",
        "Los Reyes visitarán {city.other} el {date.next}.",
        "La calle del mercado de {city.other} quedará cortada hasta el {date.next.day}.",
        "Un incendio en {street} obligó a desalojar a {3-60} personas.",
    ),
    "people": (
        "Asisten {someone}, {someone}, {someone} y {someone}.",
        "Excusan su ausencia {someone} y {someone}.",
        "La lista de admitidos incluye a {someone.listed}; {someone.listed}; {someone.listed} y {someone.listed}.",
        "Toma la palabra {someone}, que agradece a {someone.first} y a {someone.first} su trabajo.",
        "Firman el acta {someone}, presidenta, y {someone}, secretario.",
        "Se nombra vocales a {someone.caps}, {someone.caps} y {someone.caps}.",
        "Saluda a {someone.first}, a {someone.first} y a toda la familia {someone.last}.",
    ),
    "general": (
        "El agua del río bajaba clara y los niños jugaban en la orilla.",
        "Para la masa se necesitan {2-9}00 gramos de harina, {2-6} huevos y un poco de sal.",
        "En {season} los días son más cortos y conviene abrigarse bien.",
        "La cruz de piedra que hay junto al puente es del siglo {12-19}.",
        "Una rosa blanca crecía al lado de la puerta.",
        "El tren sale a las {10-22}:{10-59} y llega media hora después.",
        "Los vecinos se quejan del ruido desde hace {2-9} semanas.",
        "La casa tiene {2-6} habitaciones, cocina, baño y un patio con limonero.",
        "El precio del aceite subió un {2-30} % en {2-9} meses.",
        "Ayer llovió toda la tarde y hoy ha salido el sol.",
        "El museo abre de martes a domingo, de {9-11} a {17-20} horas.",
        "Se vende {thing} en buen estado; interesados, llamar al {phone}.",
        "Encontró {thing} en el desván de su abuela.",
        "El león es un animal que vive en grupo y caza de noche.",
        "Anteayer cerró la última tienda del barrio.",
    ),
    # How notes are kept, as in a course on clinical documentation.
    "manual": (
        "La historia clínica reúne los antecedentes personales, la exploración, el diagnóstico y el tratamiento.",
        "El informe de alta hospitalaria recoge el motivo del ingreso, la evolución, el juicio clínico y el plan.",
        "En urgencias se toman las constantes: TA, FC, FR, Tª y SatO2, o sea, tensión, pulso y saturación.",
        "La enfermera de cada turno, de mañana, tarde o noche, escribe en su hoja lo que observa y administra.",
        "Un abdomen blando y sin masas, unos tonos rítmicos sin soplos y unas pupilas reactivas son normales.",
        "Los crepitantes en la base del pulmón se oyen con la auscultación del tórax.",
        "La analítica de laboratorio mide Na, K, CK, plaquetas, NT-proBNP y lactato, en mg o en pg por ml.",
        "La gasometría informa de pH, pCO2 y saturación; el ECG, del ritmo sinusal y del eje, en lpm.",
        "Las siglas más corrientes son {acronym}, {acronym}, {acronym} y {acronym}.",
        "En la petición de radiología se justifica la prueba solicitada: ecografía, radiografía, TC o resonancia.",
        "Tras la intervención hay que valorar al paciente, comentar las incidencias y avisar al médico adjunto.",
        "La nota de la consulta telefónica dice quién llama, qué refiere y qué se aconseja o se explica.",
        "Para pedir ayuda en ambulancia, se llama y se contesta a unas preguntas.",
        "Quien acude acompañado de un familiar o cuidador suele estar más orientado y consciente.",
        "Las alergias conocidas y los hábitos tóxicos, como los cigarrillos, nunca se omiten.",
        "El consentimiento lo firma el paciente o su responsable legal; el domicilio y la edad, también constan.",
        "Estimado compañero, estimada compañera: así comienza quien remite y solicita una valoración.",
        "La vacuna antigripal se apunta con su lote; las gasas estériles y el material de cura, con su referencia.",
        "Se ingresa con reposo, se controla el dolor y, si el sangrado cede y permanece afebril, se traslada.",
        "Los apellidos van antes que el nombre, y junto a ellos la fecha, el sexo y el código o número.",
        "El peticionario firma y envía la muestra recogida; el profesional que la recibe valida el resultado.",
        "Resultados pendientes, revisión en una semana, control habitual: así termina la medicación pautada.",
        "Jubilada o jubilado, en activo o de baja: la profesión y la situación también importan.",
    ),
    "acronym": (
        "NHC (número de historia)",
        "DNI y NIE (documento)",
        "NASS (afiliación)",
        "CIP (tarjeta sanitaria)",
        "JC (juicio clínico)",
        "MC (motivo de consulta)",
        "CIE y SNOMED (códigos)",
        "DUE (enfermería)",
        "Col. (colegiado)",
        "Fdo. (firmado)",
        "Pte. (paciente)",
        "tto. (tratamiento)",
        "dx. (diagnóstico)",
        "AS (analítica)",
        "izda. y dcha. (lados)",
        "Tel. y Tfno. (teléfono)",
        "F. nac. (fecha de nacimiento)",
        "Hª Cª (historia clínica)",
        "comp. (comprimido)",
        "enf. (enfermedad)",
        "hab. (habitual)",
    ),
    # Single terms of clinical records.
    "term": listed(
        """
        antecedentes; motivo; evolución; diagnóstico; impresión; ingreso; juicio clínico; alergias; cigarrillos;
        sangrado agudo; tonos; soplos; abdomen; crepitantes; auscultación; pulso; saturación; constantes; afebril;
        condensaciones; litiasis; plaquetas; gasometría; lactato; ritmo sinusal; consentimiento; ambulancia;
        traslado; reposo; revisión; colegiación; póliza; tarjeta sanitaria; afiliación; turno; cama; cuidador;
        independiente; domicilio; población; localidad; municipio; código postal; documento; correo electrónico;
        persona de contacto; familiar; responsable; solicitante; facultativo; peticionario; observaciones;
        justificación; exploraciones; pruebas complementarias; enfermedad actual; medicación; muestra; hemograma;
        bioquímica; urocultivo; resonancia lumbar; teleconsulta; seguimiento; profilaxis; protocolo; guía; ensayo;
        referencia; lote; vacuna; deltoides; formulario; archivo; versión; extracción; síndrome; índice; maniobra;
        cuello; hallazgos; lesiones; apetito; mejoría; remedios; rigidez
        """
    ),
    "thanks": ("Reciba un cordial saludo,", "Muchas gracias por todo.", "Quedamos a su disposición.", "Un abrazo,"),
}

DOCUMENTS = {
    "article": "[Artículo de divulgación|Salud y vida|La consulta del lector]\n\n"
    "{clinical} {clinical} {clinical} {clinical}\n\n"
    "{clinical} {clinical} {clinical} {general}\n",
    "case": "Caso publicado\n\n{case} {case} {case} {clinical}\n{case} {case} {clinical} {case}\n\n"
    "{clinical} {case} {clinical}\n",
    "case_short": "{case} {clinical} {case} {case}\n{case} {case} {case}\n",
    "news": "{city.other}, {date.recent}. {news} {news} {news}\n\n{news} {general} {news}\n",
    "news_brief": "{news} {general} {news} {news} {clinical}\n",
    "minutes": "Acta de la reunión de la {club}\n\nEn {city.other}, el {date.past}. {people} {people} {general}\n\n"
    "{news} {people} {people} Se levanta la sesión a las {18-22}:{10-59}.\n",
    "membership": """Solicitud de socio de la {club}

Socio: [{patient}|{patient.listed}|{patient.caps}]
Nacido el {date.birth} ({age}) en {city.other}
Vive en: {street}, {zip} {city}
Número de documento: {id}
Carné de la biblioteca {record}
[Llamadas al|Se le llama al] {phone} [y mensajes a {email}|]
Oficio: {profession}
Avala: {someone}, socio {digits 5}

{general} {general} {people}
""",
    "rental": """Contrato de alquiler

De una parte {someone}, con documento {id}, y de otra {patient}, {profession}, con residencia en {city}.
Acuerdan el alquiler de la vivienda situada en {street} ({zip} {city}) desde el {date.recent} hasta el \
{date.next}.
La renta será de {300-1200} euros al mes. Para cualquier aviso, {phone} o {email}.
{general} {general}
Los firmantes: {someone.short} y {patient.short}
""",
    "delivery": """Albarán {digits 8}
Cliente {patient.caps}
Entregar en {street}
{zip} {city}
Avisar antes al {phone}
Contiene {thing} y {thing}. Pedido {digits 9} del {date.recent}.
Repartidor: {someone}. {general} {thanks}
""",
    "insurance": """Aseguradora del Hogar, póliza {insurance}
Titular {patient.listed}, documento {id}
Riesgo en {street}, {city}
El siniestro del {date.past} fue declarado por {someone} desde el {phone}. Perito: {someone}, número \
{digits 5}.
{general} Se perdió {thing} y {thing}. {general}
{thanks} {someone}
""",
    "dentist": """Clínica dental {someone.last}
Recordatorio para {patient}
Le esperamos el {date.next} a las {10-19}:{10-59} en {street}, {city}.
Traiga el volante {digits 8} y su tarjeta {insurance}. Si toma {drug} o tiene {disease}, dígalo al llegar.
{clinical} {clinical}
Puede cambiar la hora en el {phone}. {thanks}
{someone.titled}, colegiada {someone.licence}
""",
    "directory": """Directorio de {hospital}

{someone.titled}, {department}, extensión {digits 4}, {someone.email}
{someone.titled}, {department}, extensión {digits 4}, {someone.email}
{someone.titled}, {department}, teléfono {someone.phone}
{someone.titled}, {department}, teléfono {someone.phone}
{someone}, atención al público, {someone.email}
{clinical} {clinical}
""",
    "letter": """{city.other}, {date.past}

Querid<o|a> {someone.first}:
Te escribo desde {city.other}, donde trabajo de {job} desde {date.past.month}. {general} Mi {kin} \
{someone.first} ya está mejor de \
su {diagnosis} y toma {drug} por la mañana. {general}
{news} Mi nueva dirección es {street}, {zip} {city}. {general}
{thanks}
{someone.first}
""",
    "veterinary": """Hoja de la clínica de animales de {city.other}
Dueñ<o|a>: {patient}, teléfono {phone}
Animal: perro de {2-12} meses, chip {digits 9}, cartilla {digits 6}
Viene el {date.recent} por {symptom}. Se pone vacuna con número de lote {digits 5} y {drug}.
{clinical} Próxima dosis en {date.next.month}. {general}
Atendió {someone}.
""",
    "manual": "Cómo se escribe una historia\n\n{manual} {manual} {manual} {clinical}\n{manual} {manual} {manual}\n",
    "lesson": "{manual} {manual} {general} {manual} {manual}\n{clinical} {manual}\n",
    "glossary": """GLOSARIO DE TÉRMINOS
{^term}, {term}, {term}, {term}; {acronym}.
{^term}, {term}, {term}, {term}; {acronym}.
{^term} y {term} ({department}): {term}, {term}. {acronym}.
INFORME DE ALTA. HOJA DE ENFERMERÍA. {manual} {manual}
URGENCIAS. PETICIÓN DE PRUEBAS. {manual} {manual}
""",
    "leaflet": "Prospecto: información para el usuario\n\n{^drug}, comprimidos. {clinical} {clinical} {clinical}\n"
    "No tome este medicamento si padece {disease}. {clinical} {clinical} Lote {digits 6}, caducidad {2024-2030}.\n",
    "notice": "Se comunica el fallecimiento de {someone}, viud[o|a] de {someone}, a los {age.other}, en {city.other} "
    "el {date.recent.day}. Sus hijos {someone.first}, {someone.first} y {someone.first} lo anuncian a sus amigos. "
    "La familia recibe en {street}. {general}\n{news}\n",
    "job_offer": """Oferta de empleo
{hospital} busca {job} para su centro de {city.other}. Se pide experiencia de {2-9} años. Incorporación \
el {date.next}.
Escribir a {someone.email} a la atención de {someone}, o llamar al {someone.phone}. {clinical}
{general} {news}
""",
    "school": """Colegio de {city.other}. Informe del curso {2010-2022}
Alumn<o|a>: {someone.listed}. Expediente {record}. Tutora: {someone}.
{someone.first} trabaja bien en clase y participa. {general} Faltó {2-9} días por {symptom}. La familia \
({kin}: {someone}) vive \
en {street} y su número es el {someone.phone}.
{people} {general}
""",
}

CASES = {
    "ward": """Caso {1-90}. [Sala de hospitalización|Planta de {department}]

{present} [{present}|]
{past} {past} [{social}|{social} {social}]

{exam} {exam}
{tests} {tests}
{course} {course} [{course}|]
{diagnoses}
{plan} {plan}
""",
    "exercise": """Ejercicio {1-40}: {symptom}
{present} {past} [{past}|]
{social}
{exam} [{exam}|]
{tests} {course}
{course} {decoy}
¿Qué haría usted? {plan} [{plan}|]
{diagnoses}
""",
    "session": """Sesión clínica de {department}, {date.recent}
{vitals} {patient.first} ha dormido [bien|mal|a ratos], {symptom} {ago}.
{course} {course}
Se administra {dose}. {decoy}
{social} {exam}
{past} Pendiente de {department} el {date.next.day}.
{diagnoses} {plan}
""",
}
